import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "iovalkey";
import type { Admin } from "kafkajs";
import { fetchPeers } from "../peers/packages.ts";
import { type Progress, startValkey } from "../services/index.ts";
import { openScratch } from "../services/scratch.ts";
import { AppliedWatch, allCommitted } from "./acknowledgements.ts";
import { Checker, type Circumstance, type Verdict } from "./checker.ts";
import { type ContestantName, entryOf } from "./contestants/index.ts";
import { Crew } from "./crew.ts";
import { Documents } from "./documents.ts";
import { Editors } from "./editors.ts";
import { EvictionWatch } from "./evictions.ts";
import { Foreigners } from "./foreigners.ts";
import { HistoryFile, readHistory } from "./history.ts";
import { Losses } from "./losses.ts";
import { startOwnWorker } from "./own-worker.ts";
import { type Entrant, type Plan, planQuestions } from "./plan.ts";
import { type Variant, type VariantName, variants } from "./variants.ts";

const { Kafka, logLevel, Partitioners }: typeof import("kafkajs") = createRequire(import.meta.url)("kafkajs");

const partitions = 6;
const producers = 3;
const workers = 2;
const settleMs = 60_000;

export interface StormOptions {
  readonly variant: VariantName;
  readonly seconds: number;
  readonly seed: number;
  /** Those of the variant, where absent. */
  readonly contestants?: readonly ContestantName[] | undefined;
  readonly brokers: readonly string[];
  /** The folder of the built programs: `dist`. */
  readonly dist: string;
  readonly progress: Progress;
}

export interface StormReport {
  readonly options: StormOptions;
  readonly edits: number;
  readonly verdicts: readonly Verdict[];
  /** Of our database, by kind of key. */
  readonly evictions: Readonly<Record<string, number>>;
  readonly losses: Readonly<Record<string, number>>;
  readonly foreign: Readonly<Record<string, number>>;
}

type OnEnd = (name: string, cleanup: () => Promise<unknown> | unknown) => void;

/** One storm from beginning to end: on a Valkey of its own, with a topic of its own. */
export async function storm(options: StormOptions): Promise<StormReport> {
  const cleanups: { name: string; cleanup: () => Promise<unknown> | unknown }[] = [];
  try {
    return await weather(options, (name, cleanup) => void cleanups.push({ name, cleanup }));
  } finally {
    for (const { name, cleanup } of cleanups.toReversed()) {
      // What could not be closed must not keep the others open.
      await Promise.resolve(cleanup()).catch((error: Error) => options.progress(`${name}: ${error.message}`));
    }
  }
}

async function weather(options: StormOptions, onEnd: OnEnd): Promise<StormReport> {
  const { plan, admin, producer } = await prepare(options, onEnd);
  const say = (line: string): void => options.progress(`${options.variant}: ${line}`, { transient: true });
  const planFile = join(plan.folder, "plan.json");
  await writeFile(planFile, JSON.stringify(plan));
  const documents = Documents.create(join(plan.folder, "documents"), plan.variant.documents);
  onEnd("documents", () => documents.close());
  const history = new HistoryFile(join(plan.folder, "editors.ndjson"));
  const client = (entrant: Entrant): Redis => {
    const redis = new Redis({ host: "127.0.0.1", port: entrant.port, db: entrant.database });
    onEnd("Valkey client", () => redis.disconnect());
    return redis;
  };

  say("starting workers and producers …");
  await startOwnWorkers(options, plan, onEnd);
  const crewOf = async (name: string, count: number): Promise<Crew> => {
    const crew = await Crew.start(join(options.dist, "dev", "storm", name), planFile, count);
    onEnd(name, () => crew.kill());
    return crew;
  };
  const [others, visitors] = [
    await crewOf("worker-program.js", workers),
    await crewOf("visitor-program.js", producers),
  ];
  const own = plan.contestants.filter(({ name }) => entryOf(name).ownWorker);
  const watches = own.map((entrant) => new AppliedWatch({ entrant, client: client(entrant), plan, history }));
  const [first] = own;
  const evictions = first && (await EvictionWatch.start(client(first), first.database));
  const losses = first && plan.variant.losses ? new Losses(client(first), plan.seed) : undefined;
  const foreigners =
    first && plan.variant.foreign ? new Foreigners({ client: client(first), plan, documents, history }) : undefined;

  say(`${options.seconds} s of storm …`);
  const editors = new Editors({ plan, producer, documents, history });
  await visitors.say("go");
  const editing = editors.edit();
  await Promise.race([delay(options.seconds * 1_000), editing]);
  editors.stop();
  const edits = await editing;
  await losses?.stop();
  await foreigners?.stop();
  say("waiting until all changes are acknowledged …");
  await allCommitted(admin, plan, settleMs);
  // Reads go on for a moment, so that the last acknowledgements have reads after them.
  await delay(500);
  await visitors.say("stop");
  say("asking everything once more …");
  await visitors.sayToFirst("last");
  await Promise.all(watches.map((watch) => watch.stop()));
  await visitors.end();
  await others.end();
  history.close();

  say("judging …");
  const verdicts = await judge(plan);
  return {
    options,
    edits,
    verdicts,
    evictions: evictions?.counts ?? {},
    losses: losses?.counts ?? {},
    foreign: foreigners?.counts ?? {},
  };
}

async function prepare(options: StormOptions, onEnd: OnEnd) {
  const variant: Variant = variants[options.variant];
  const names = options.contestants ?? variant.contestants;
  const wantsPeers = names.some((name) => entryOf(name).isPeer);
  const peers = wantsPeers ? await fetchPeers(options.progress) : undefined;
  const valkey = await startValkey({ fresh: true, config: variant.valkey, progress: options.progress });
  onEnd("Valkey", () => valkey.stop());
  const scratch = await openScratch("storm");
  onEnd("folder", () => scratch.release());

  const topic = `storm-${randomBytes(4).toString("hex")}`;
  const kafka = new Kafka({ clientId: "storm", brokers: [...options.brokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  onEnd("Kafka admin", () => admin.disconnect());
  await createTopic(admin, topic);
  onEnd("topics", () => admin.deleteTopics({ topics: [topic, `${topic}.dlq`] }).catch(() => undefined));
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  onEnd("Kafka producer", () => producer.disconnect());

  const { contestants: _, ...weather } = variant;
  const plan: Plan = {
    seed: options.seed,
    variantName: options.variant,
    variant: weather,
    questions: planQuestions(options.seed, variant),
    contestants: names
      .filter((name) => peers !== undefined || !entryOf(name).isPeer)
      .map((name, database) => ({ name, port: valkey.port, database })),
    brokers: options.brokers,
    topic,
    partitions,
    folder: scratch.dir,
    peers,
  };
  return { plan, admin, producer };
}

/** kafkajs asks for the leaders at once, and takes it for an error that a busy broker has not heard of the topic yet. */
async function createTopic(admin: Admin, topic: string): Promise<void> {
  await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: partitions }] });
  const impatient = performance.now() + settleMs;
  for (;;) {
    const metadata = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => undefined);
    const led = metadata?.topics[0]?.partitions.filter(({ leader }) => leader >= 0).length ?? 0;
    if (led === partitions) return;
    if (performance.now() > impatient)
      throw new Error(`The topic ${topic} has no leaders after ${settleMs / 1_000} s.`);
    await delay(20);
  }
}

async function startOwnWorkers({ dist }: StormOptions, plan: Plan, onEnd: OnEnd): Promise<void> {
  const own = plan.contestants.filter(({ name }) => entryOf(name).ownWorker);
  const crews = own.flatMap((entrant) => Array.from({ length: workers }, () => entrant));
  await Promise.all(
    crews.map(async ({ name, port, database }) => {
      const worker = await startOwnWorker({
        command: join(dist, "worker", "main.js"),
        brokers: plan.brokers,
        topic: plan.topic,
        groupId: `${plan.topic}-${name}`,
        valkeyUrl: `redis://127.0.0.1:${port}/${database}`,
      });
      onEnd("worker", async () => {
        await worker.finish();
        await worker.stop();
      });
    }),
  );
}

async function judge(plan: Plan): Promise<readonly Verdict[]> {
  const numbers = (kind: string, count: number): string[] =>
    Array.from({ length: count }, (_, index) => join(plan.folder, `${kind}-${index}.ndjson`));
  const files = [join(plan.folder, "editors.ndjson"), ...numbers("worker", workers), ...numbers("visitor", producers)];
  const circumstances: Circumstance[] = [];
  for await (const record of readHistory(files)) if (record.kind !== "read") circumstances.push(record);
  const checker = new Checker(circumstances);
  for await (const record of readHistory(files)) if (record.kind === "read") checker.read(record);
  return plan.contestants.map(({ name }) => checker.verdict(name));
}
