// A whole worker on a real cluster, in this process; its log is in memory, events come over HTTP.
import { type CacheStore, createValkeyStore, inEveryBucket } from "@unstale/cache-core";
import { pino } from "pino";
import { loadConfig } from "../../config/index.ts";
import { createEmbeddedSource, createSubscriptions } from "../../consumers/index.ts";
import { type App, createApp } from "../../worker/app.ts";
import { openStore } from "../../worker/connections.ts";
import { createDeployment } from "../../worker/deployment.ts";
import type { Logger } from "../../worker/logger.ts";

export const topic = "cms.documents";

export interface ClusterWorker {
  readonly app: App;
  /** Resolves when the worker applied it. */
  change(document: string): Promise<void>;
  /** Resolves to the lines of `/readyz?verbose`. */
  readiness(): Promise<string>;
  /** How far each bucket has applied the topic; rejects while one does not answer. */
  applied(): Promise<readonly (number | undefined)[]>;
  stop(): Promise<void>;
}

export async function startClusterWorker(
  valkey: string,
  buckets: number,
  log: Logger = pino({ level: process.env.UNSTALE_TEST_LOG ?? "silent" }),
): Promise<ClusterWorker> {
  const flags = { "http.port": "0", "valkey.url": valkey, "valkey.buckets": String(buckets) };
  const loaded = loadConfig({ env: {}, flags, readFile: () => "" });
  if (loaded.kind === "problems") throw new Error(JSON.stringify(loaded.problems));
  const { config } = loaded;
  const { store, problem } = openStore(config);
  const source = createEmbeddedSource({ subscriptions: createSubscriptions([{ topic, format: "json", wide: true }]) });
  const app = createApp({
    config,
    store,
    storeProblem: problem,
    deployment: createDeployment(store, config),
    openSource: () => source,
    telemetry: { serveMetrics: (_, response) => response.end(), tracing: false, shutdown: async () => undefined },
    log,
  });
  await app.start();
  const eyes: CacheStore = createValkeyStore({ valkey, layout: { buckets }, timeoutMs: 1_000 });
  return {
    app,
    change: async (id) => {
      for (;;) {
        const reply = await fetch(source.url, { method: "POST", body: JSON.stringify({ id }) });
        await reply.arrayBuffer();
        if (reply.status === 200) return;
      }
    },
    readiness: async () => (await fetch(`http://127.0.0.1:${app.address?.port}/readyz?verbose`)).text(),
    applied: async () => {
      const replies = await inEveryBucket(buckets, (bucket) =>
        eyes.heartbeat({ bucket, partitions: [{ topic, partition: 0 }] }),
      );
      return replies.map((reply) => (reply.kind === "alive" ? reply.applied[0] : undefined));
    },
    stop: async () => {
      await app.stop("end of the test");
      await eyes.close();
    },
  };
}
