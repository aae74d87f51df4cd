import { setTimeout as delay } from "node:timers/promises";
import { type Bench, check, type Lab } from "./bench.ts";
import { fillShelf, openSnapshot, shelfDocument } from "./entries.ts";
import { startConsumer, startWorker, until, type Wiring } from "./processes.ts";
import { amount, type Table } from "./report.ts";
import { percentile } from "./rounds.ts";
import { countKeys, type Server } from "./server.ts";
import { createTopic, type Topic } from "./topic.ts";

const fanOut = 10;
const name = "doc";
const warmUpMs = 1_000;
/** As producers do that send more than a little. */
const lingerMs = 4;

export const latency: Bench = {
  name: "latency",
  title: "From produce to unservable",
  goals: ["p50 / p99 / p99.9 ≤ 5 / 25 / 100 ms at 5 k/s"],
  run: async (lab) => {
    const server = await lab.valkey();
    const rows: string[][] = [];
    for (const rate of lab.pick([100, 1_000, 5_000], [200])) {
      for (const who of lab.pick(["ours", "plain"] as const, ["ours"] as const)) {
        lab.say(`${who}, ${rate} events/s`);
        rows.push(await measure(lab, { server, rate, who }));
      }
    }
    return [tableOf(rows)];
  },
};

interface Run {
  readonly server: Server;
  readonly rate: number;
  readonly who: "ours" | "plain";
}

async function measure(lab: Lab, { server, rate, who }: Run): Promise<string[]> {
  const seconds = lab.pick(6, 1);
  const events = rate * seconds;
  await server.empty();
  const store = server.store();
  const snapshot = await openSnapshot(store);
  await fillShelf({ admin: server.admin, snapshot, name, documents: events, fanOut, responseBytes: 100 });
  await store.close();
  const topic = await createTopic(lab, 4);
  const wiring: Wiring = { brokers: topic.brokers, topic: topic.name, groupId: topic.name, valkeyUrl: server.url };
  const worker = who === "ours" ? await startWorker(lab, wiring) : await startConsumer(lab, "plain", wiring);
  const gone = await watchSets(server);
  const { due, acknowledged } = await produceAtRate(topic, { rate, events });
  const patienceMs = lab.pick(5_000, 30_000);
  const all = until(async () => gone.at.size === events, "all events", patienceMs).then(
    () => true,
    () => false,
  );
  const complete = await all;
  const now = performance.now();
  await gone.stop();
  await worker.stop();
  if (who === "ours") {
    check(complete, `only ${gone.at.size} of ${events} documents became unservable`);
    check((await countKeys(server.admin, "cache:v[0-9]*")) === 0, "entries are left");
  }
  const first = Math.floor((rate * Math.min(warmUpMs, seconds * 200)) / 1_000);
  const times = due.slice(first).map((at, index) => (gone.at.get(shelfDocument(name, first + index)) ?? now) - at);
  const ms = (share: number): string => `${amount(percentile(times, share))} ms`;
  const log = acknowledged.slice(first).map((at, index) => at - (due[first + index] ?? at));
  const logMs = (share: number): string => `${amount(percentile(log, share))} ms`;
  const late = complete ? "" : `, ${events - gone.at.size} not done ${patienceMs / 1_000} s after the last`;
  return [
    `${who}, ${amount(rate)}/s`,
    ms(0.5),
    ms(0.9),
    ms(0.99),
    ms(0.999),
    `${ms(1)}${late}`,
    logMs(0.5),
    logMs(0.99),
  ];
}

/** When each dependency set went away, as another client hears of it: right behind the step that took it. */
async function watchSets(server: Server): Promise<{ at: Map<string, number>; stop(): Promise<void> }> {
  await server.admin.config("SET", "notify-keyspace-events", "Kg");
  const listener = server.client();
  const at = new Map<string, number>();
  const prefix = "__keyspace@0__:doc_deps:";
  listener.on("pmessage", (_pattern: string, channel: string, event: string) => {
    if (event === "del" || event === "rename_from") at.set(channel.slice(prefix.length), performance.now());
  });
  await listener.psubscribe(`${prefix}*`);
  const stop = async (): Promise<void> => {
    listener.disconnect();
    await server.admin.config("SET", "notify-keyspace-events", "");
  };
  return { at, stop };
}

/**
 * Open loop: each event has its time, whether those before it were done or not, and waiting counts from then on. Events
 * that are due together go in one request.
 */
async function produceAtRate(
  topic: Topic,
  { rate, events }: { rate: number; events: number },
): Promise<{ due: number[]; acknowledged: number[] }> {
  const due: number[] = [];
  /** When Kafka had each of them. */
  const acknowledged: number[] = [];
  const sent: Promise<void>[] = [];
  const began = performance.now() + 50;
  const dueAt = (number: number): number => began + (number * 1_000) / rate;
  while (due.length < events) {
    const batch: string[] = [];
    const first = due.length;
    const now = performance.now();
    while (due.length < events && dueAt(due.length) <= now) {
      batch.push(shelfDocument(name, due.length));
      due.push(dueAt(due.length));
    }
    const had = (): void => {
      for (let number = first; number < first + batch.length; number += 1) acknowledged[number] = performance.now();
    };
    if (batch.length > 0) sent.push(topic.produce(batch).then(had));
    await delay(lingerMs);
  }
  await Promise.all(sent);
  return { due, acknowledged };
}

function tableOf(rows: readonly (readonly string[])[]): Table {
  return {
    title: "Milliseconds, by who and rate",
    columns: ["", "p50", "p90", "p99", "p99.9", "worst", "in Kafka p50", "in Kafka p99"],
    rows,
    notes: [
      `Open loop: the clock of an event starts when it was due to be produced. One worker, 4 partitions, fan-out ${fanOut}, 5 s after 1 s of warming up; producer, broker, Valkey and worker share the cores.`,
      `The producer sends what has come up every ${lingerMs} ms; "in Kafka" is when the broker had acknowledged it, from the same start.`,
      "Unservable is when another client is told that the document's dependency set is gone (keyspace notification): with ours that is the barrier, with the plain worker the last deletion.",
    ],
  };
}
