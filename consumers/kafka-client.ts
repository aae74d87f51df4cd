/** The only file that knows kafkajs: it loads, mends and configures it. What it is to the others says `kafka-types.ts`. */
import { createRequire } from "node:module";
import net from "node:net";
import tls from "node:tls";
// CommonJS, of whose exports Node's ESM sees but six by name: everything is taken from the default.
import { systemClock } from "@unstale/cache-core";
import kafkajs, {
  type Assigner,
  type Consumer,
  type ISocketFactory,
  type Kafka,
  type LogEntry,
  type RecordMetadata,
} from "kafkajs";
import type { Partition } from "./change-source.ts";
import { type CodecName, findCodec } from "./compression-codecs.ts";
import { signedAs } from "./group-members.ts";
import { kafkaAdmin } from "./kafka-admin.ts";
import type { BatchLike } from "./kafka-batch.ts";
import { clientRetry, kafkaSettings } from "./kafka-config.ts";
import { type ClusterLike, kafkaConsumer } from "./kafka-consumer.ts";
import { kafkaError } from "./kafka-error.ts";
import { kafkaLogEnds, type LogCluster } from "./kafka-log-ends.ts";
import { kafkaReader, type LogReader, type ReaderCluster } from "./kafka-reader.ts";
import type {
  ConsumerListeners,
  ConsumerOptions,
  KafkaClient,
  KafkaConnection,
  KafkaConsumer,
  KafkaProducer,
  OutgoingRecord,
} from "./kafka-types.ts";
import type { Log } from "./log.ts";
import { patchRequestQueue } from "./request-queue-patch.ts";

const { AssignerProtocol, CompressionCodecs, CompressionTypes, Kafka: KafkaJs } = kafkajs;
const { logLevel, PartitionAssigners, Partitioners } = kafkajs;

export interface KafkaClientOptions {
  readonly connection: KafkaConnection;
  readonly log: Log;
  /** Tries of a single connect or request before it fails; a supervised client has few. */
  readonly retries?: number | undefined;
}

export type CreateKafkaClient = (options: KafkaClientOptions) => KafkaClient;

/** @throws UnstaleError `UNSTALE_KAFKA_OPTIONS` */
export const createKafkaClient: CreateKafkaClient = ({ connection, log, retries }) => {
  mendOnce(log);
  const sockets = createSockets();
  const outOfRange: { listener?: (partition: Partition) => void } = {};
  const kafka = new KafkaJs({
    ...kafkaSettings(connection),
    // Always given: kafkajs takes other defaults where NODE_ENV is "test".
    retry: { ...clientRetry, ...(retries === undefined ? {} : { retries }) },
    socketFactory: sockets.factory,
    logLevel: logLevel.INFO,
    logCreator: () => (entry) => {
      const partition = outOfRangeIn(entry);
      if (partition !== undefined) outOfRange.listener?.(partition);
      forward(entry, log);
    },
  });
  return {
    consumer: (options) => {
      outOfRange.listener = (partition) => options.listeners.onOutOfRange(partition);
      return createConsumer(kafka, options);
    },
    producer: () => createProducer(kafka),
    reader: () => createReader(kafka),
    admin: () => kafkaAdmin(kafka.admin()),
    logEnds: () => kafkaLogEnds(openCluster(kafka)),
    destroy: sockets.destroy,
  };
};

function createConsumer(kafka: Kafka, options: ConsumerOptions): KafkaConsumer {
  const { groupId, tuning, listeners } = options;
  let cluster: ClusterLike | undefined;
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: tuning.sessionTimeoutMs,
    heartbeatInterval: tuning.heartbeatIntervalMs,
    rebalanceTimeout: tuning.rebalanceTimeoutMs,
    maxWaitTimeInMs: tuning.maxWaitMs,
    maxBytesPerPartition: tuning.maxBytesPerPartition,
    metadataMaxAge: tuning.metadataMaxAgeMs,
    allowAutoTopicCreation: false,
    readUncommitted: false,
    // kafkajs restarts only some crashes, and loses pauses and positions when it does. The supervisor restarts all.
    retry: { ...clientRetry, restartOnFailure: async () => false },
    partitionAssigners: [
      (config) => {
        // Its declarations leave out what we need of it.
        cluster = config.cluster as unknown as ClusterLike;
        return signed(PartitionAssigners.roundRobin(config), options.owner);
      },
    ],
  });
  listen(consumer, listeners);
  const { partitionsConcurrently } = tuning;
  return kafkaConsumer({ consumer, cluster: () => cluster, partitionsConcurrently });
}

/** kafkajs shows its cluster to partition assigners only. The consumer never runs: it joins no group. */
function openCluster(kafka: Kafka): Opened {
  let cluster: unknown;
  const consumer = kafka.consumer({
    groupId: "none",
    allowAutoTopicCreation: false,
    partitionAssigners: [
      (config) => {
        cluster = config.cluster;
        return PartitionAssigners.roundRobin(config);
      },
    ],
  });
  if (cluster === undefined) throw new Error("kafkajs did not show its cluster.");
  // Its declarations leave out what we need of it.
  const found = cluster as LogCluster & ReaderCluster;
  return { cluster: found, connect: () => consumer.connect(), disconnect: () => consumer.disconnect() };
}

interface Opened {
  readonly cluster: LogCluster & ReaderCluster;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
}

function createReader(kafka: Kafka): LogReader {
  const require = createRequire(import.meta.url);
  const Batch = require("kafkajs/src/consumer/batch") as new (
    ...parts: [topic: string, fetched: string, data: object]
  ) => BatchLike;
  const batchOf = (...parts: ConstructorParameters<typeof Batch>): BatchLike => new Batch(...parts);
  return kafkaReader({ ...openCluster(kafka), batchOf, clock: systemClock });
}

/** Members say for whom they work, see `group-members.ts`. */
function signed(assigner: Assigner, owner: string | undefined): Assigner {
  if (owner === undefined) return assigner;
  const { name, version } = assigner;
  const userData = signedAs(owner);
  const metadata = (topics: string[]): Buffer => AssignerProtocol.MemberMetadata.encode({ version, topics, userData });
  return { ...assigner, protocol: ({ topics }) => ({ name, metadata: metadata(topics) }) };
}

function listen(consumer: Consumer, listeners: ConsumerListeners): void {
  const { events } = consumer;
  consumer.on(events.GROUP_JOIN, ({ payload }) => {
    const partitions = Object.entries(payload.memberAssignment).flatMap(([topic, list]) =>
      list.map((partition) => ({ topic, partition })),
    );
    listeners.onJoined({ memberId: payload.memberId, partitions });
  });
  consumer.on(events.REBALANCING, () => listeners.onRebalancing());
  let silent = false;
  consumer.on(events.REQUEST_TIMEOUT, () => {
    if (!silent) listeners.onSilent();
    silent = true;
  });
  consumer.on(events.HEARTBEAT, () => {
    if (silent) listeners.onHeard();
    silent = false;
  });
  consumer.on(events.CRASH, ({ payload }) => listeners.onCrashed(payload.error));
  consumer.on(events.END_BATCH_PROCESS, ({ payload }) => {
    const { topic, partition, batchSize, lastOffset } = payload;
    if (batchSize === 0) listeners.onFiltered({ topic, partition }, BigInt(lastOffset) + 1n);
  });
}

/** Not idempotent: kafkajs' idempotent producer dies of its first sequence error, and repeated changes are harmless. */
function createProducer(kafka: Kafka): KafkaProducer {
  const producer = kafka.producer({
    idempotent: false,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  return {
    connect: () => producer.connect().catch((error) => Promise.reject(kafkaError(error, "Connecting to Kafka"))),
    disconnect: () => producer.disconnect(),
    send: async (topic, records) => {
      const messages = records.map(({ key, value, headers, partition }) => ({
        key,
        value,
        headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, one]) => [name, mutable(one)])),
        ...(partition === undefined ? {} : { partition }),
      }));
      try {
        const sent = await producer.send({ topic, acks: -1, messages });
        refuseDropped(records, sent);
        return sent.map((answer) => ({
          topic,
          partition: answer.partition,
          offset: BigInt(answer.baseOffset ?? answer.offset ?? -1),
        }));
      } catch (error) {
        throw kafkaError(error, `Sending to ${topic}`);
      }
    },
  };
}

/** kafkajs drops without a word what is for a partition that it does not know. */
function refuseDropped(records: readonly OutgoingRecord[], sent: readonly RecordMetadata[]): void {
  const taken = new Set(sent.map(({ partition }) => partition));
  const dropped = records.find(({ partition }) => partition !== undefined && !taken.has(partition));
  if (dropped === undefined) return;
  throw Object.assign(new Error(`no partition ${dropped.partition} is known`), { type: "UNKNOWN_TOPIC_OR_PARTITION" });
}

function mutable(value: string | Buffer | readonly Buffer[]): string | Buffer | Buffer[] {
  return Array.isArray(value) ? [...value] : (value as string | Buffer);
}

let mended = false;

function mendOnce(log: Log): void {
  if (mended) return;
  mended = true;
  registerCodecs();
  const require = createRequire(import.meta.url);
  try {
    const { version } = require("kafkajs/package.json") as { version: string };
    const patched = version === "2.2.4" && patchRequestQueue(require("kafkajs/src/network/requestQueue"));
    if (!patched) log.debug({ version }, "kafkajs' request queue was left as it is");
  } catch (error) {
    // Moved or bundled: it costs idle CPU, nothing else.
    log.debug({ err: error }, "kafkajs' request queue was left as it is");
  }
}

function registerCodecs(): void {
  const types: readonly (readonly [CodecName, number])[] = [
    ["zstd", CompressionTypes.ZSTD],
    ["snappy", CompressionTypes.Snappy],
    ["lz4", CompressionTypes.LZ4],
  ];
  // Its declarations name each type; a program that registered a codec of its own keeps it.
  const codecs = CompressionCodecs as Record<number, () => unknown>;
  for (const [name, type] of types) {
    const found = findCodec(name);
    if ("codec" in found) codecs[type] = () => found.codec;
    else codecs[type] = () => missing(found.missing);
  }
}

function missing(message: string): never {
  throw Object.assign(new Error(message), { name: "KafkaJSNotImplemented", retriable: false });
}

function createSockets(): { readonly factory: ISocketFactory; readonly destroy: () => void } {
  const open = new Set<net.Socket>();
  let destroyed = false;
  const factory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    if (destroyed) throw new Error("the client was destroyed");
    const servername = net.isIP(host) === 0 ? { servername: host } : {};
    const socket = ssl
      ? tls.connect({ host, port, ...servername, ...(ssl as object) }, onConnect)
      : net.connect({ host, port }, onConnect);
    socket.setKeepAlive(true, 60_000);
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    return socket;
  };
  const destroy = (): void => {
    destroyed = true;
    for (const socket of open) socket.destroy();
  };
  return { factory, destroy };
}

const outOfRangeMessage = "Offset out of range, resetting to default offset";

function outOfRangeIn({ log }: LogEntry): Partition | undefined {
  const { message, topic, partition } = log as { message: string; topic?: unknown; partition?: unknown };
  if (message !== outOfRangeMessage || typeof topic !== "string") return undefined;
  return { topic, partition: Number(partition) };
}

/** One step quieter than kafkajs thinks: what matters is said by the supervisor, once and in words for users. */
function forward({ namespace, level, log: entry }: LogEntry, log: Log): void {
  const { message, timestamp: _, logger: __, stack: ___, ...facts } = entry;
  const say = level === logLevel.ERROR ? "warn" : level === logLevel.WARN ? "info" : "debug";
  log[say]({ kafkajs: namespace, ...facts }, message);
}
