import { randomBytes } from "node:crypto";
import { SmartCache } from "@unstale/cache-core";
import { Redis } from "iovalkey";
import { Kafka, logLevel } from "kafkajs";
import { connectKafkaSender } from "../../examples/publisher/kafka-sender.ts";
import { type Progress, startKafka, startValkey, type ValkeyHandle } from "../services/index.ts";
import type { Backend, BackendEvents } from "./backend.ts";
import { workerCommand } from "./checkout.ts";
import type { Cleanup } from "./cleanup.ts";
import { hintsFor } from "./hints.ts";
import { watchOffsets } from "./offsets.ts";
import { startOtlpReceiver } from "./otlp-receiver.ts";
import { startPlainWorker } from "./plain-worker.ts";
import { startWorkerProcess } from "./worker-process.ts";

export interface RealBackendOptions extends BackendEvents {
  readonly progress: Progress;
  readonly cleanup: Cleanup;
}

/** Real Kafka, real Valkey, the built worker as a process. Each side has a database and a consumer group of its own. */
export async function openRealBackend(options: RealBackendOptions): Promise<Backend> {
  const { progress, cleanup, onCommitted, onPlainInvalidated, onRefused } = options;
  const [valkey, kafka] = await Promise.all([
    opened(startValkey({ progress }), (handle) => cleanup.add("Valkey", () => handle.stop())),
    opened(startKafka({ progress }), (handle) => cleanup.add("Kafka", () => handle.stop())),
  ]);
  const { brokers } = kafka;
  const valkeyUrls = await pickDatabases({ valkey, cleanup });

  const run = randomBytes(3).toString("hex");
  const topic = `demo-${run}.documents`;
  const groups = { plain: `demo-${run}-plain`, unstale: `demo-${run}-unstale` };
  const client = new Kafka({ clientId: "demo", brokers: [...brokers], logLevel: logLevel.NOTHING });
  const admin = client.admin();
  await admin.connect();
  cleanup.add("Kafka admin", () => admin.disconnect());
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 3 }] });
  if (!kafka.owned) cleanup.add("topics", () => admin.deleteTopics({ topics: [topic, `${topic}.dlq`] }));

  const otlp = await startOtlpReceiver();
  cleanup.add("OTLP receiver", () => otlp.close());
  const plainStore = connect(valkeyUrls.plain, cleanup);
  const ours = connect(valkeyUrls.unstale, cleanup);
  progress("Starting both workers …", { transient: true });
  const [worker] = await Promise.all([
    opened(
      startWorkerProcess({
        command: workerCommand,
        brokers,
        topic,
        groupId: groups.unstale,
        valkeyUrl: valkeyUrls.unstale,
        otlpEndpoint: otlp.endpoint,
      }),
      (process) => cleanup.add("worker", () => process.stop()),
    ),
    opened(
      startPlainWorker({ store: plainStore, brokers, topic, groupId: groups.plain, onInvalidated: onPlainInvalidated }),
      (plain) => cleanup.add("plain worker", () => plain.stop()),
    ),
  ]);
  progress(
    `Workers: \`unstale run\` as process ${worker.pid}, and the plain one, each with a consumer group of its own`,
  );
  const sender = await connectKafkaSender({ brokers, topic });
  cleanup.add("Kafka producer", () => sender.close());
  const offsets = watchOffsets({ admin, topic, groups, onCommitted });
  cleanup.add("offsets", () => offsets.stop());
  const cache = new SmartCache({
    valkey: valkeyUrls.unstale,
    onRefusal: onRefused,
    onWarning: ({ message }) => progress(message),
  });
  cleanup.add("cache", () => cache.close());

  return {
    embedded: false,
    cache,
    plainStore,
    send: sender.send,
    command: (name, ...words) => ours.call(String(name), ...words),
    async changedAt(id) {
      const stamp = await ours.zscore("unstale:fence", id);
      return stamp === null ? undefined : Number(stamp) / 1_000;
    },
    spans: otlp.spans,
    hints: hintsFor({
      brokers,
      topic,
      groups,
      valkeyUrls,
      valkeyCli: valkey.cli ?? "valkey-cli",
      workerHttp: worker.http,
      workerLog: worker.logFile,
    }),
  };
}

/** Registers what was opened as soon as it is there, even when something that was opened beside it failed. */
async function opened<T>(opening: Promise<T>, register: (value: T) => void): Promise<T> {
  const value = await opening;
  register(value);
  return value;
}

function connect(url: string, cleanup: Cleanup): Redis {
  const client = new Redis(url);
  // Shown by the commands that fail because of it.
  client.on("error", () => {});
  cleanup.add("Valkey connection", () => client.disconnect());
  return client;
}

/** Databases 0 and 1 of a server of our own; two empty ones of somebody else's, emptied again at the end. */
async function pickDatabases({ valkey, cleanup }: { readonly valkey: ValkeyHandle; readonly cleanup: Cleanup }) {
  const database = (number: number) => Object.assign(new URL(valkey.url), { pathname: `/${number}` }).toString();
  if (valkey.owned) return { unstale: database(0), plain: database(1) };
  const empty: string[] = [];
  for (let number = 15; number >= 0 && empty.length < 2; number--) {
    const client = new Redis(database(number), { maxRetriesPerRequest: 1 });
    client.on("error", () => {});
    if ((await client.dbsize().catch(() => 1)) === 0) empty.push(database(number));
    client.disconnect();
  }
  const [unstale, plain] = empty;
  if (!unstale || !plain)
    throw new Error("Expected two empty databases among 0 to 15 of the Valkey that was given, found none.");
  for (const url of empty) cleanup.add("database", () => emptyDatabase(url));
  return { unstale, plain };
}

async function emptyDatabase(url: string): Promise<void> {
  const client = new Redis(url, { maxRetriesPerRequest: 1 });
  client.on("error", () => {});
  await client.flushdb();
  client.disconnect();
}
