// A topic, a group and sources on the shared Kafka, all of them new, and all of them gone after the test.
import kafkajs, { type Admin, type KafkaMessage } from "kafkajs";
import type { ChangeSource } from "../../consumers/change-source.ts";
import {
  type ChangeProducer,
  createChangeProducer,
  createKafkaSource,
  createSubscriptions,
  deadLetterTopic,
  type KafkaSourceOptions,
  type OutgoingRecord,
} from "../../consumers/index.ts";
import { RecordingHandlers, type RecordingHandlersOptions } from "./recording-handlers.ts";
import { sharedKafkaBrokers, uniqueName } from "./services.ts";

export interface KafkaScene {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly groupId: string;
  readonly admin: Admin;
  source(options?: Partial<KafkaSourceOptions>): ChangeSource;
  started(
    handlers?: RecordingHandlersOptions,
    options?: Partial<KafkaSourceOptions>,
  ): Promise<{ readonly source: ChangeSource; readonly handlers: RecordingHandlers }>;
  createTopic(options?: { partitions?: number; config?: Readonly<Record<string, string>> }): Promise<void>;
  send(records: readonly (string | OutgoingRecord)[], topic?: string): Promise<void>;
  /** As retention does, in partition 0. */
  deleteRecordsBelow(offset: bigint): Promise<void>;
  /** What the group has committed, by partition. */
  committed(): Promise<readonly (bigint | undefined)[]>;
  /** All records of the dead-letter topic, once there are `count`. */
  deadLetters(count: number): Promise<readonly KafkaMessage[]>;
  close(): Promise<void>;
}

export interface KafkaSceneOptions {
  readonly brokers?: readonly string[];
  readonly partitions?: number;
  readonly config?: Readonly<Record<string, string>>;
  /** The topic is created; default true. */
  readonly create?: boolean;
}

/** Quick enough for tests; a second member waits for no session to end. */
const quick: Partial<KafkaSourceOptions> = {
  tuning: { retry: { baseMs: 20, maxMs: 100 }, commitIntervalMs: 20 },
  consumerTuning: { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 300, maxWaitMs: 100 },
  supervision: { backoff: { baseMs: 50, maxMs: 300 }, topicPollMs: 100 },
};

export async function openKafkaScene(options: KafkaSceneOptions = {}): Promise<KafkaScene> {
  const brokers = options.brokers ?? sharedKafkaBrokers();
  const topic = uniqueName("documents");
  const groupId = uniqueName("group");
  const kafka = new kafkajs.Kafka({
    brokers: [...brokers],
    clientId: "test",
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries: 5 },
  });
  const admin = kafka.admin();
  await admin.connect();
  const connection = { brokers, clientId: "test" };
  const sources: ChangeSource[] = [];
  let producer: Promise<ChangeProducer> | undefined;

  const scene: KafkaScene = {
    brokers,
    topic,
    groupId,
    admin,
    source: (overrides) => {
      const subscriptions = createSubscriptions([{ topic, format: "json", wide: false }]);
      const source = createKafkaSource({ connection, groupId, subscriptions, ...quick, ...overrides });
      sources.push(source);
      return source;
    },
    started: async (handlerOptions, overrides) => {
      const source = scene.source(overrides);
      const handlers = new RecordingHandlers(handlerOptions);
      await source.start(handlers);
      return { source, handlers };
    },
    createTopic: async ({ partitions = 1, config = {} } = {}) => {
      const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
      await admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }], waitForLeaders: true });
    },
    send: async (records, to = topic) => {
      producer ??= createChangeProducer({ connection });
      const outgoing = records.map((record) => (typeof record === "string" ? { key: null, value: record } : record));
      await (await producer).send(to, outgoing);
    },
    deleteRecordsBelow: async (offset) => {
      // kafkajs finds the leader only in metadata that it has already.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
    },
    committed: async () => {
      const [answer] = await admin.fetchOffsets({ groupId, topics: [topic] });
      const partitions = [...(answer?.partitions ?? [])].sort((a, b) => a.partition - b.partition);
      return partitions.map(({ offset }) => (BigInt(offset) < 0n ? undefined : BigInt(offset)));
    },
    deadLetters: (count) => readAll(kafka, deadLetterTopic(topic), count),
    close: async () => {
      await Promise.all(sources.map((source) => source.stop({ drainMs: 0 })));
      await (await producer)?.close();
      await admin.disconnect();
    },
  };
  if (options.create !== false) await scene.createTopic(options);
  return scene;
}

async function readAll(kafka: kafkajs.Kafka, topic: string, count: number): Promise<KafkaMessage[]> {
  if (count === 0) return [];
  const consumer = kafka.consumer({ groupId: uniqueName("reader"), maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const messages: KafkaMessage[] = [];
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({ message }: { message: KafkaMessage }): Promise<void> => {
      messages.push(message);
      if (messages.length >= count) resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
  return messages;
}
