// The workers of those who bring none, two processes of this kind: each contestant has a consumer group of its own and hears
// the same events as `unstale run` does. A batch is acknowledged when its invalidations have resolved and the offset is
// committed.
import { createRequire } from "node:module";
import type { EachBatchPayload } from "kafkajs";
import type { Contestant } from "./contestants/contestant.ts";
import { type ContestantName, entryOf, opener } from "./contestants/index.ts";
import { moment } from "./moment.ts";
import { obey, openProgram } from "./program.ts";

const { Kafka, logLevel }: typeof import("kafkajs") = createRequire(import.meta.url)("kafkajs");
const { plan, history, count } = openProgram("worker");
const kafka = new Kafka({ clientId: "storm", brokers: [...plan.brokers], logLevel: logLevel.NOTHING });
const open = opener(plan.peers);

interface Change {
  readonly id?: string;
  readonly namespace?: string;
  readonly all?: true;
}

const crew = await Promise.all(
  plan.contestants.filter(({ name }) => !entryOf(name).ownWorker).map((entrant) => start(entrant)),
);

async function start({ name, port, database }: (typeof plan.contestants)[number]): Promise<() => Promise<void>> {
  const contestant = await open(name, { host: "127.0.0.1", port, database, onCount: (what) => count(name, what) });
  const consumer = kafka.consumer({ groupId: `${plan.topic}-${name}`, maxWaitTimeInMs: 100 });
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.connect();
  await consumer.subscribe({ topic: plan.topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: plan.partitions,
    eachBatch: async ({ batch, resolveOffset, heartbeat }: EachBatchPayload) => {
      const { partition, messages } = batch;
      const next = Number(batch.lastOffset()) + 1;
      await apply(
        name,
        contestant,
        messages.map(({ value }): Change => JSON.parse(String(value))),
      );
      await consumer.commitOffsets([{ topic: plan.topic, partition, offset: String(next) }]);
      history.add({ kind: "acknowledged", by: name, partition, next, at: moment() });
      resolveOffset(batch.lastOffset());
      await heartbeat();
    },
  });
  await joined;
  return async () => {
    await consumer.disconnect();
    await contestant.close();
  };
}

async function apply(name: ContestantName, contestant: Contestant, changes: readonly Change[]): Promise<void> {
  try {
    const documents = new Set(changes.flatMap(({ id }) => (id === undefined ? [] : [id])));
    if (documents.size > 0) await contestant.invalidate?.([...documents]);
    for (const { id, namespace } of changes) if (id === undefined) await contestant.wipe?.(namespace);
  } catch (error) {
    count(name, "invalidation failed");
    throw error;
  }
}

obey({
  go: async () => {},
  stop: async () => {},
  last: async () => {},
  end: async () => {
    await Promise.all(crew.map((stop) => stop()));
  },
});
