// A worker process, Kafka, and Valkey behind an address that can be led elsewhere. Documents have versions; each has an
// answer that says which version it was built from. What is served is compared with what was acknowledged.
import { type CacheStore, createValkeyStore, type Demands } from "@unstale/cache-core";
import { Redis } from "iovalkey";
import { type KafkaScene, openKafkaScene } from "../../support/kafka-scene.ts";
import { waitFor } from "../../support/wait-for.ts";
import { startUnstale, type WorkerProcess } from "../worker-process.ts";

export interface StateLossScene {
  readonly store: CacheStore;
  readonly kafka: KafkaScene;
  readonly worker: WorkerProcess;
  readonly ids: readonly string[];
  /** Caches an answer for each document that has none, built from what it is now. */
  fill(): Promise<void>;
  /** Changes documents; resolves when Kafka has acknowledged the events. */
  edit(ids: readonly string[]): Promise<void>;
  /** Resolves when the worker has committed everything: from then on nothing older may be served. */
  acknowledged(): Promise<void>;
  /** Ids whose answer is served though it is older than the document. */
  stale(demands?: Demands): Promise<readonly string[]>;
  /** Ids that are hits. */
  served(demands?: Demands): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface StateLossOptions {
  readonly valkey: Parameters<typeof createValkeyStore>[0]["valkey"];
  /** What the worker is told about Valkey. */
  readonly env: Readonly<Record<string, string>>;
  readonly documents?: number;
}

export async function openStateLossScene({ valkey, env, documents = 40 }: StateLossOptions): Promise<StateLossScene> {
  const kafka = await openKafkaScene({ partitions: 2 });
  const store = createValkeyStore({ valkey, timeoutMs: 10_000, onError: () => undefined });
  const worker = startUnstale(["run"], {
    UNSTALE_KAFKA_BROKERS: kafka.brokers.join(","),
    UNSTALE_KAFKA_TOPICS: kafka.topic,
    UNSTALE_KAFKA_GROUP_ID: kafka.groupId,
    UNSTALE_KAFKA_SESSION_TIMEOUT: "6s",
    UNSTALE_KAFKA_HEARTBEAT_INTERVAL: "300ms",
    UNSTALE_HTTP_PORT: "0",
    ...env,
  });
  await worker.ready();
  const ids = Array.from({ length: documents }, (_, index) => `article:${index}`);
  const versions = new Map(ids.map((id) => [id, 1]));
  let sent = 0;

  const look = async (id: string, demands?: Demands): Promise<number | undefined> => {
    let versionsNow: readonly string[] = [];
    for (let moves = 0; moves < 3; moves += 1) {
      const reply = await store.read({ bucket: 0, query: id, versions: versionsNow, ...(demands ? { demands } : {}) });
      if (reply.kind === "hit") return Number(reply.response);
      if (reply.kind !== "moved") return undefined;
      versionsNow = reply.versions;
    }
    return undefined;
  };
  /** While one server goes and another comes nobody answers: that is no answer, and no stale one. */
  const lookAll = (demands?: Demands) =>
    Promise.all(ids.map(async (id) => ({ id, seen: await look(id, demands).catch(() => undefined) })));

  const write = async (id: string): Promise<void> => {
    const opened = await store.open({ bucket: 0 });
    if (opened.kind !== "open") throw new Error(opened.kind);
    const entry = { bucket: 0, query: id, sources: [id], ttlMs: 600_000, lease: opened.snapshot };
    await store.commit({ ...entry, response: String(versions.get(id)) });
  };

  return {
    store,
    kafka,
    worker,
    ids,
    // A repair that is under way refuses what is written meanwhile.
    fill: () =>
      waitFor(async () => {
        const missing = (await lookAll()).filter(({ seen }) => seen === undefined);
        for (const { id } of missing) await write(id).catch(() => undefined);
        return missing.length === 0;
      }),
    edit: async (edited) => {
      for (const id of edited) versions.set(id, (versions.get(id) ?? 0) + 1);
      sent += edited.length;
      await kafka.send(edited.map((id) => ({ key: id, value: JSON.stringify({ id, version: versions.get(id) }) })));
    },
    acknowledged: () =>
      waitFor(async () => {
        const committed = await kafka.committed();
        return committed.reduce((sum: bigint, offset) => sum + (offset ?? 0n), 0n) >= BigInt(sent);
      }),
    stale: async (demands) => {
      const seen = await lookAll(demands);
      return seen.filter((one) => one.seen !== undefined && one.seen < (versions.get(one.id) ?? 0)).map(({ id }) => id);
    },
    served: async (demands) => (await lookAll(demands)).filter(({ seen }) => seen !== undefined).map(({ id }) => id),
    close: async () => {
      worker.kill("SIGKILL");
      await worker.ended;
      await store.close();
      await kafka.close();
    },
  };
}

/** Commands as an operator gives them, on a connection of their own. */
export async function operate<T>(
  server: { readonly host: string; readonly port: number },
  work: (redis: Redis) => Promise<T>,
) {
  const redis = new Redis(server.port, server.host);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
