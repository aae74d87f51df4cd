import { createMemoryStore, type MemoryStore, SmartCache } from "@unstale/cache-core";
import { loadConfig } from "../../config/index.ts";
import { createEmbeddedSource, createSubscriptions, type EmbeddedSource } from "../../consumers/index.ts";
import type { ChangeRecord } from "../../examples/publisher/publisher.ts";
import { createApp } from "../../worker/app.ts";
import { createConnectionProblem } from "../../worker/connection-problem.ts";
import { createDeployment } from "../../worker/deployment.ts";
import { createLogger } from "../../worker/logger.ts";
import type { Progress } from "../services/index.ts";
import type { Backend, BackendEvents } from "./backend.ts";
import type { Cleanup } from "./cleanup.ts";
import { now } from "./editor.ts";
import { createPlainMemory } from "./plain-memory.ts";
import { changedIds, plainInvalidate } from "./plain-worker.ts";

export interface EmbeddedBackendOptions extends BackendEvents {
  readonly progress: Progress;
  readonly cleanup: Cleanup;
  /** Why there is no Kafka and no Valkey. */
  readonly why: string;
}

const topic = "demo.documents";

/** The worker in this process, with the memory store in place of Valkey, and events that come by HTTP. */
export async function openEmbeddedBackend(options: EmbeddedBackendOptions): Promise<Backend> {
  const { progress, cleanup, why, onRefused, onPlainInvalidated, onCommitted } = options;
  progress(`Embedded (${why}): both caches are in this process's memory, and events come by HTTP.`);
  const store = createMemoryStore();
  const plainStore = createPlainMemory();
  const { url, http } = await startWorkerHere({ store, cleanup });
  const cache = new SmartCache({ store, onRefusal: onRefused });
  cleanup.add("cache", () => cache.close());
  let offset = 0n;

  return {
    embedded: true,
    cache,
    plainStore,
    async send(record) {
      const position = { partition: 0, offset };
      offset += 1n;
      const next = { partition: 0, offset };
      const plain = async () => {
        for (const id of changedIds(record.value)) onPlainInvalidated(id, await plainInvalidate(plainStore, id));
        onCommitted("plain", next, now());
      };
      const ours = async () => {
        await post(url, record);
        onCommitted("unstale", next, now());
      };
      await Promise.all([plain(), ours()]);
      return position;
    },
    command: commandsOn(store),
    changedAt: async (id) => milliseconds(store.keyspace.zscore("unstale:fence", id)),
    spans: [],
    hints: [
      ["an event by hand", `curl -d '{"id":"article:42"}' ${url}`],
      ["is the worker ready", `curl '${http}/readyz?verbose'`],
      ["its metrics", `curl -s ${http}/metrics | grep unstale`],
    ],
  };
}

interface WorkerHere {
  readonly url: string;
  readonly http: string;
}

async function startWorkerHere({
  store,
  cleanup,
}: {
  readonly store: MemoryStore;
  readonly cleanup: Cleanup;
}): Promise<WorkerHere> {
  const flags = { embedded: "true", "http.port": "0", "kafka.topics": topic };
  const loaded = loadConfig({ env: {}, flags, readFile: () => "" });
  if (loaded.kind === "problems") throw new Error(loaded.problems.map((problem) => JSON.stringify(problem)).join("\n"));
  const { config } = loaded;
  const log = createLogger({ level: "fatal", format: "json", destination: process.stderr });
  let source: EmbeddedSource | undefined;
  const app = createApp({
    config,
    store,
    storeProblem: createConnectionProblem(),
    deployment: createDeployment(store, config),
    openSource() {
      source = createEmbeddedSource({ subscriptions: createSubscriptions([{ topic, format: "json", wide: false }]) });
      return source;
    },
    telemetry: { serveMetrics: (_request, response) => void response.end(), tracing: false, shutdown: async () => {} },
    log,
  });
  cleanup.add("worker", () => app.stop("the demo ends"));
  await app.start();
  return { url: source?.url ?? "", http: `http://127.0.0.1:${app.address?.port}` };
}

/** Resolves when the worker has applied the change. */
async function post(url: string, { value, headers }: ChangeRecord): Promise<void> {
  const response = await fetch(url, { method: "POST", body: value, headers: { ...headers } });
  if (response.status !== 200) throw new Error(`Expected the worker to apply ${value}, got ${await response.text()}`);
}

function milliseconds(microseconds: number | undefined): number | undefined {
  return microseconds === undefined ? undefined : microseconds / 1_000;
}

/** The few commands that the tour shows. */
function commandsOn({ keyspace }: MemoryStore): Backend["command"] {
  const commands: Record<string, (keys: readonly string[]) => unknown> = {
    GET: ([key = ""]) => keyspace.get(key),
    TTL: ([key = ""]) => Math.ceil(keyspace.pttl(key) / 1_000),
    SMEMBERS: ([key = ""]) => keyspace.smembers(key),
    EXISTS: (keys) => keys.filter((key) => keyspace.exists(key)).length,
  };
  return async (name, ...keys) => commands[String(name)]?.(keys.map(String));
}
