// What everybody writes first, written with care: HSET, EXPIRE and SADD for an answer, SMEMBERS and DEL for a changed
// document. Writes are in MULTI, and the offset is committed after the deletion. It lacks one thing: a way to know, when an
// answer is finished, whether the documents it was built from are still the ones that were read.
import { createHash } from "node:crypto";
import { Kafka, logLevel } from "kafkajs";

/** The commands it needs; iovalkey's client has them. */
export interface PlainStore {
  hget(key: string, field: string): Promise<string | null>;
  smembers(key: string): Promise<string[]>;
  multi(commands: [string, ...(string | number)[]][]): { exec(): Promise<unknown> };
}

export interface PlainAnswer {
  readonly response: string;
  readonly hit: boolean;
}

export interface Computed {
  readonly response: string;
  readonly sources: readonly string[];
  readonly ttlSeconds: number;
}

export const plainKey = (question: string): string =>
  `cache:${createHash("sha256").update(question).digest("hex").slice(0, 16)}`;

export async function plainAnswer(
  store: PlainStore,
  question: string,
  compute: () => Promise<Computed>,
): Promise<PlainAnswer> {
  const key = plainKey(question);
  const cached = await store.hget(key, "response");
  if (cached !== null) return { response: cached, hit: true };
  const { response, sources, ttlSeconds } = await compute();
  await store
    .multi([
      ["hset", key, "query", question, "response", response, "sources", JSON.stringify(sources)],
      ["expire", key, ttlSeconds],
      ...sources.map((id): [string, string, string] => ["sadd", `doc_deps:${id}`, key]),
    ])
    .exec();
  return { response, hit: false };
}

/** Deletes everything that was built from a document. Returns how many answers that were. */
export async function plainInvalidate(store: PlainStore, id: string): Promise<number> {
  const keys = await store.smembers(`doc_deps:${id}`);
  if (keys.length === 0) return 0;
  await store
    .multi([
      ["del", ...keys],
      ["srem", `doc_deps:${id}`, ...keys],
    ])
    .exec();
  return keys.length;
}

export interface PlainWorkerOptions {
  readonly store: PlainStore;
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly groupId: string;
  readonly onInvalidated: (id: string, deleted: number) => void;
}

export async function startPlainWorker(options: PlainWorkerOptions): Promise<{ stop(): Promise<void> }> {
  const { store, brokers, topic, groupId, onInvalidated } = options;
  const kafka = new Kafka({ clientId: groupId, brokers: [...brokers], logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 500 });
  const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      for (const id of changedIds(String(message.value))) onInvalidated(id, await plainInvalidate(store, id));
    },
  });
  await joined;
  return { stop: () => consumer.disconnect() };
}

/** `{"id": …}` or `{"ids": ["…", {"id": "…"}]}`. */
export function changedIds(value: string): string[] {
  const event: { id?: string; ids?: (string | { id: string })[] } = JSON.parse(value);
  const ids = (event.ids ?? []).map((entry) => (typeof entry === "string" ? entry : entry.id));
  return event.id === undefined ? ids : [event.id, ...ids];
}
