/**
 * The load, as a process of its own: caches an answer for each document, then sends the event of that document, at a steady
 * rate. Each document has one event only, so that no later event can hide that an earlier one was lost.
 */
import { createValkeyStore } from "@unstale/cache-core";
import kafkajs from "kafkajs";
import type { LoadMessage, LoadOrder } from "./load.ts";

const chunk = 250;
const tickMs = 20;

const settings = JSON.parse(process.argv[2] ?? "{}") as {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly valkeyUrl: string;
  readonly rate: number;
  readonly lead: number;
};
let { rate } = settings;
let partitions = 1;
let running = false;
let stopped = false;
/** Documents up to here have their entry, or do without. */
let filled = 0;
let sent = 0;
let filling = false;

const store = createValkeyStore({ valkey: settings.valkeyUrl, timeoutMs: 2_000 });
const kafka = new kafkajs.Kafka({
  brokers: [...settings.brokers],
  clientId: "chaos-load",
  logLevel: kafkajs.logLevel.NOTHING,
  requestTimeout: 5_000,
  retry: { retries: 1, initialRetryTime: 100 },
});
const createPartitioner = kafkajs.Partitioners.DefaultPartitioner;
const producer = kafka.producer({ createPartitioner, metadataMaxAge: 1_000 });

function tell(message: LoadMessage): void {
  process.send?.(message);
}

/** Commits the entries of the next documents; whatever Valkey does not take stays without. */
async function fill(): Promise<void> {
  if (filling) return;
  filling = true;
  const [from, to] = [filled, filled + chunk];
  try {
    const opened = await store.open({ bucket: 0 });
    if (opened.kind !== "open") throw new Error(opened.kind);
    const lease = opened.snapshot;
    const indices = Array.from({ length: to - from }, (_, at) => from + at);
    const replies = await Promise.allSettled(
      indices.map((index) =>
        store.commit({
          bucket: 0,
          query: `query:${index}`,
          response: `answer ${index}`,
          sources: [`article:${index}`],
          ttlMs: 3_600_000,
          lease,
        }),
      ),
    );
    const written = indices.filter((_, at) => {
      const reply = replies[at];
      return reply?.status === "fulfilled" && reply.value.kind === "written";
    });
    // Those that were sent meanwhile had their event before their entry: no claim is made for them.
    tell({ kind: "filled", indices: written.filter((index) => index >= sent), versions: [...lease.versions] });
  } catch {
    // Valkey is away; that is the point of some rows.
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  filled = Math.max(filled, to);
  filling = false;
}

async function send(count: number): Promise<void> {
  const indices = Array.from({ length: count }, (_, at) => sent + at);
  sent += count;
  filled = Math.max(filled, sent);
  for (let partition = 0; partition < partitions && !stopped; partition += 1) {
    const mine = indices.filter((index) => index % partitions === partition);
    if (mine.length > 0) await sendUntilTaken(partition, mine);
  }
}

/** One that was taken without an answer is sent twice, and once too often in the log; events may repeat. */
async function sendUntilTaken(partition: number, indices: readonly number[]): Promise<void> {
  const messages = indices.map((index) => {
    const id = `article:${index}`;
    return { key: id, value: JSON.stringify({ id }), partition };
  });
  while (!stopped) {
    try {
      const [answer] = await producer.send({ topic: settings.topic, acks: -1, messages });
      // kafkajs drops without a word what is for a partition that it does not know yet.
      if (answer?.baseOffset === undefined) throw new Error("not sent");
      const first = Number(answer.baseOffset);
      tell({ kind: "sent", partition, indices: [...indices], first, at: Date.now() });
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function run(): Promise<void> {
  running = true;
  let before = Date.now();
  let owed = 0;
  while (!stopped) {
    await new Promise((resolve) => setTimeout(resolve, tickMs));
    const now = Date.now();
    // An editor does not save faster because Kafka was away.
    owed += Math.min(rate, ((now - before) * rate) / 1_000);
    before = now;
    const count = Math.floor(owed);
    owed -= count;
    if (filled - sent < settings.lead) void fill();
    if (count > 0) await send(count);
  }
  running = false;
}

process.on("message", (order: LoadOrder) => {
  if (order.kind === "begin") {
    partitions = order.partitions;
    void run();
  } else if (order.kind === "change") {
    partitions = order.partitions ?? partitions;
    rate = order.rate ?? rate;
  } else {
    void end();
  }
});

// Whoever started us is gone.
process.on("disconnect", () => process.exit(1));

async function end(): Promise<void> {
  stopped = true;
  while (running || filling) await new Promise((resolve) => setTimeout(resolve, 10));
  tell({ kind: "ended", sent });
  await Promise.allSettled([producer.disconnect(), store.close()]);
  process.exit(0);
}

while (filled < settings.lead) await fill();
await producer.connect();
tell({ kind: "ready" });
