import { setTimeout as delay } from "node:timers/promises";
import { type Bench, check, type Lab } from "./bench.ts";
import { appliedOf } from "./end-to-end.ts";
import { fillShelf, openSnapshot, shelfDocument } from "./entries.ts";
import { processUsage, startWorker, until, type WorkerProcess } from "./processes.ts";
import { amount, type Table } from "./report.ts";
import { percentile } from "./rounds.ts";
import { countKeys, type Server, usageOf } from "./server.ts";
import { createTopic } from "./topic.ts";

export const backlog: Bench = {
  name: "backlog",
  title: "A backlog of a million events, and the cost of doing nothing",
  goals: ["flat memory", "coalescing shown", "idle CPU ≤ 1 %"],
  run: async (lab) => {
    const server = await lab.valkey();
    const events = lab.pick(1_000_000, 2_000);
    const documents = lab.pick(10_000, 50);
    await server.empty();
    const store = server.store();
    const snapshot = await openSnapshot(store);
    await fillShelf({ admin: server.admin, snapshot, name: "doc", documents, fanOut: 10, responseBytes: 100 });
    const topic = await createTopic(lab, 4);
    lab.say("producing");
    for (let from = 0; from < events; from += 50_000) {
      await topic.produce(hotDocuments(Math.min(50_000, events - from), documents));
    }
    lab.say("working it off");
    const began = performance.now();
    const wiring = { brokers: topic.brokers, topic: topic.name, groupId: topic.name, valkeyUrl: server.url };
    const worker = await startWorker(lab, wiring);
    const resident = await workOff({ server, topic: topic.name, worker, events });
    const seconds = (performance.now() - began) / 1_000;
    check((await countKeys(server.admin, "cache:v[0-9]*")) <= documents * 10 * 0.01, "entries are left");
    const { records, documents: invalidated } = await counted(worker);
    check(records >= events, `${records} of ${events} events were applied`);
    lab.say("doing nothing");
    const idle = await idleCost(lab, server, worker);
    await worker.stop();
    return [backlogTable({ events, seconds, resident, invalidated, documents }), idle];
  },
};

/** Half of all changes hit a fiftieth of the documents, as with pages that many people edit. */
function hotDocuments(count: number, documents: number): string[] {
  const hot = Math.max(1, Math.floor(documents / 50));
  return Array.from({ length: count }, () => {
    const among = Math.random() < 0.5 ? hot : documents;
    return shelfDocument("doc", Math.floor(Math.random() * among));
  });
}

interface Work {
  readonly server: Server;
  readonly topic: string;
  readonly worker: WorkerProcess;
  readonly events: number;
}

/** Resolves to the worker's memory, as sampled on the way. */
async function workOff({ server, topic, worker, events }: Work): Promise<number[]> {
  const resident: number[] = [];
  const applied = (): Promise<number> => appliedOf(server.admin, topic);
  const impatient = performance.now() + 240_000;
  while ((await applied()) < events) {
    if (performance.now() > impatient) throw new Error(`Only ${await applied()} events were applied in 4 minutes.`);
    resident.push((await processUsage(worker.pid)).residentBytes);
    await delay(50);
  }
  resident.push((await processUsage(worker.pid)).residentBytes);
  return resident;
}

async function counted({ http }: WorkerProcess): Promise<{ records: number; documents: number }> {
  const text = await (await fetch(`${http}/metrics`)).text();
  const sum = (name: string): number =>
    [...text.matchAll(new RegExp(`^unstale_worker_${name}_total\\S* (\\S+)`, "gm"))].reduce(
      (all, [, n]) => all + Number(n),
      0,
    );
  return { records: sum("records"), documents: sum("documents") };
}

async function idleCost(lab: Lab, server: Server, worker: WorkerProcess): Promise<Table> {
  await delay(lab.pick(2_000, 10));
  await until(async () => (await server.admin.dbsize()) < 100_000, "drains to end");
  const before = await processUsage(worker.pid);
  const usage = await usageOf(server.admin);
  const began = performance.now();
  await delay(lab.pick(10_000, 100));
  const seconds = (performance.now() - began) / 1_000;
  const after = await processUsage(worker.pid);
  const later = await usageOf(server.admin);
  const percent = (micros: number): string => `${(micros / seconds / 10_000).toFixed(2)} %`;
  return {
    title: "Idle, one worker with 4 partitions",
    columns: ["CPU of the worker", "CPU of Valkey", "commands per second", "RSS"],
    rows: [
      [
        percent(after.cpuMicros - before.cpuMicros),
        percent(later.micros - usage.micros),
        // Two of the commands are ours: INFO, before and after.
        amount((later.commands - usage.commands - 1) / seconds),
        `${amount(after.residentBytes / 1e6)} MB`,
      ],
    ],
  };
}

interface Outcome {
  readonly events: number;
  readonly documents: number;
  readonly seconds: number;
  readonly resident: readonly number[];
  readonly invalidated: number;
}

function backlogTable({ events, documents, seconds, resident, invalidated }: Outcome): Table {
  const quarter = Math.max(1, Math.floor(resident.length / 4));
  const mb = (bytes: number): string => `${amount(bytes / 1e6)} MB`;
  const part = (from: number, to?: number): string => mb(percentile(resident.slice(from, to), 0.5));
  return {
    title: `${amount(events)} events about ${amount(documents)} documents, one worker`,
    columns: [
      "seconds, start included",
      "events per second",
      "documents sent to Valkey",
      "RSS: 2nd quarter",
      "last quarter",
      "most",
    ],
    rows: [
      [
        seconds.toFixed(1),
        amount(events / seconds),
        `${((invalidated / events) * 100).toFixed(0)} % of the events`,
        part(quarter, 2 * quarter),
        part(3 * quarter),
        mb(Math.max(...resident)),
      ],
    ],
    notes: [
      "Half of the events are about a fiftieth of the documents; each document goes to Valkey once per slice of 500 records.",
    ],
  };
}
