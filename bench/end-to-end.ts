import { type Bench, check, type Lab } from "./bench.ts";
import type { Redis } from "./client.ts";
import { fillShelf, openSnapshot, shelfDocument, shelfKey } from "./entries.ts";
import { unlink } from "./plain.ts";
import { processUsage, startConsumer, startWorker, until, type Wiring } from "./processes.ts";
import { amount, share, spread, type Table } from "./report.ts";
import { type Contestant, interleave, type Results, type Sample } from "./rounds.ts";
import { countKeys, type Server, usageOf } from "./server.ts";
import { createTopic } from "./topic.ts";

const partitions = 4;
const fanOut = 10;
const shelf = { name: "doc", fanOut, responseBytes: 100 };

export const endToEnd: Bench = {
  name: "end-to-end",
  title: "From Kafka to Valkey",
  goals: [
    "one worker ≥ 70 % of the lesser of raw consumption and raw invalidation, at fan-out 10",
    "2 and 4 workers near-linear until a resource is full",
  ],
  run: async (lab) => {
    const server = await lab.valkey();
    const events = lab.pick(40_000, 200);
    const contestants: Contestant[] = [
      { name: "raw consumption", run: () => rawConsumption(lab, server, lab.pick(200_000, 200)) },
      { name: "raw invalidation", run: () => rawInvalidation(server, lab.pick(20_000, 200)) },
      { name: "plain worker", run: () => plainWorker(lab, server, lab.pick(5_000, 100)) },
      ...crews(lab).map((crew) => ({ name: nameOf(crew), run: () => ours(lab, { server, events, ...crew }) })),
    ];
    const said = contestants.map(({ name, run }) => ({
      name,
      run: () => {
        lab.say(name);
        return run();
      },
    }));
    return [tableOf(await interleave(lab.pick(2, 1), said), crews(lab))];
  },
};

interface Crew {
  readonly workers: number;
}

function crews(lab: Lab): readonly Crew[] {
  return lab.pick<readonly Crew[]>([{ workers: 1 }, { workers: 2 }, { workers: 4 }], [{ workers: 1 }]);
}

function nameOf({ workers }: Crew): string {
  return `${workers} worker${workers === 1 ? "" : "s"}`;
}

interface Run extends Crew {
  readonly server: Server;
  readonly events: number;
}

async function ours(lab: Lab, { server, events, workers: count }: Run): Promise<Sample> {
  const wiring = await prepare(lab, server, events);
  const { admin } = server;
  const workers = await Promise.all(Array.from({ length: count }, () => startWorker(lab, wiring)));
  // The group has settled when each worker has its share.
  await until(
    async () => (await Promise.all(workers.map(({ http }) => owns(http)))).every(Boolean),
    "partitions for all",
  );
  for (const worker of workers) worker.pause();
  await wiring.produce();
  const before = await Promise.all(workers.map(({ pid }) => processUsage(pid)));
  const usage = await usageOf(admin);
  for (const worker of workers) worker.resume();
  const began = performance.now();
  await until(async () => (await appliedOf(admin, wiring.topic)) === events, "all events to be applied");
  await until(async () => (await admin.dbsize()) < 10, "all deletions");
  const ms = performance.now() - began;
  const after = await Promise.all(workers.map(({ pid }) => processUsage(pid)));
  const serverMicros = (await usageOf(admin)).micros - usage.micros;
  const workerMicros = after.reduce((sum, { cpuMicros }, at) => sum + cpuMicros - (before[at]?.cpuMicros ?? 0), 0);
  await checkEmpty(server, `${count} workers`);
  await Promise.all(workers.map((worker) => worker.stop()));
  const perEvent = { serverMicros: serverMicros / events, workerMicros: workerMicros / events };
  return {
    rate: (events / ms) * 1e3,
    ...perEvent,
    serverBusy: serverMicros / ms / 1e3,
    workersBusy: workerMicros / ms / 1e3,
  };
}

async function plainWorker(lab: Lab, server: Server, events: number): Promise<Sample> {
  const wiring = await prepare(lab, server, events);
  const consumer = await startConsumer(lab, "plain", wiring);
  consumer.pause();
  await wiring.produce();
  const began = performance.now();
  consumer.resume();
  await until(async () => (await consumer.count()) === events, "the plain worker");
  const ms = performance.now() - began;
  await checkEmpty(server, "the plain worker");
  await consumer.stop();
  return { rate: (events / ms) * 1e3 };
}

async function rawConsumption(lab: Lab, server: Server, events: number): Promise<Sample> {
  const wiring = await prepare(lab, server, 0, events);
  const consumer = await startConsumer(lab, "raw", wiring);
  consumer.pause();
  await wiring.produce();
  const began = performance.now();
  consumer.resume();
  await until(async () => (await consumer.count()) === events, "the raw consumer");
  const ms = performance.now() - began;
  await consumer.stop();
  return { rate: (events / ms) * 1e3 };
}

async function rawInvalidation(server: Server, events: number): Promise<Sample> {
  const { admin } = server;
  await server.empty();
  const store = server.store();
  const snapshot = await openSnapshot(store);
  await fillShelf({ ...shelf, admin, snapshot, documents: events });
  const client = server.client();
  const began = performance.now();
  for (let first = 0; first < events; first += 100) {
    const keys: string[] = [];
    for (let number = first; number < Math.min(events, first + 100); number += 1) {
      keys.push(`doc_deps:${shelfDocument(shelf.name, number)}`);
      for (let entry = 1; entry <= fanOut; entry += 1) keys.push(shelfKey({ snapshot }, number, entry));
    }
    await unlink(client, keys);
  }
  const ms = performance.now() - began;
  client.disconnect();
  await store.close();
  await checkEmpty(server, "raw UNLINK");
  return { rate: (events / ms) * 1e3 };
}

/** Entries in an empty Valkey, and a topic that nobody knows yet. */
async function prepare(
  lab: Lab,
  server: Server,
  documents: number,
  events = documents,
): Promise<Wiring & { produce(): Promise<void> }> {
  await server.empty();
  const store = server.store();
  const snapshot = await openSnapshot(store);
  await fillShelf({ ...shelf, admin: server.admin, snapshot, documents });
  await store.close();
  const topic = await createTopic(lab, partitions);
  const ids = Array.from({ length: events }, (_, number) => shelfDocument(shelf.name, number));
  return {
    brokers: topic.brokers,
    topic: topic.name,
    groupId: topic.name,
    valkeyUrl: server.url,
    produce: () => topic.produce(ids),
  };
}

async function owns(http: string): Promise<boolean> {
  const text = await (await fetch(`${http}/metrics`)).text();
  return /^unstale_worker_partitions\S* [1-9]/m.test(text);
}

export async function appliedOf(admin: Redis, topic: string): Promise<number> {
  const fields = await admin.hgetall("unstale:state");
  const ours = Object.entries(fields).filter(([field]) => field.startsWith(`applied:${topic}:`));
  return ours.reduce((sum, [, offset]) => sum + Number(offset), 0);
}

async function checkEmpty({ admin }: Server, contestant: string): Promise<void> {
  const left = (await countKeys(admin, "cache:v[0-9]*")) + (await countKeys(admin, "doc_deps:*"));
  check(left === 0, `${contestant} left ${left} keys`);
}

function tableOf(results: Results, list: readonly Crew[]): Table {
  const rate = (name: string): string[] => [name, spread(results.of(name)), "–", "–", "–", "–"];
  const rows = list.map((crew) => {
    const name = nameOf(crew);
    const busy = (measure: string): string => share(results.of(name, measure));
    return [
      name,
      spread(results.of(name)),
      spread(results.ratio(name, "1 worker")),
      `${amount(results.of(name, "workerMicros").median)} / ${amount(results.of(name, "serverMicros").median)}`,
      busy("workersBusy"),
      busy("serverBusy"),
    ];
  });
  const goal = (limit: string): string => share(results.ratio("1 worker", limit));
  return {
    title: `Events per second, fan-out ${fanOut}, ${partitions} partitions`,
    columns: [
      "",
      "events per second",
      "times one worker",
      "µs per event: worker / Valkey",
      "CPU of all workers",
      "CPU of Valkey's thread",
    ],
    rows: [...rows, rate("plain worker"), rate("raw consumption"), rate("raw invalidation")],
    notes: [
      `One worker reaches ${goal("raw consumption")} of raw consumption (kafkajs, eachBatch, does nothing), ${goal("raw invalidation")} of raw invalidation (UNLINK of known keys, 100 documents at a time), and ${spread(results.ratio("1 worker", "plain worker"))} times the plain worker (eachMessage).`,
      "Workers are processes. They have joined before the events are produced, and are paused meanwhile: timed is a backlog, from the first moment until all events are applied and no entry is left.",
      "100 % is one core. Broker, Valkey, workers and the bench share the machine's.",
    ],
  };
}
