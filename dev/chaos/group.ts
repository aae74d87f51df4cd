import kafkajs, { type Admin, type Kafka, type KafkaMessage, type Producer } from "kafkajs";
import { until } from "./until.ts";

export type Offsets = ReadonlyMap<number, bigint>;

/** What Kafka knows of the row's topic and group. */
export class Group {
  readonly admin: Admin;
  readonly topic: string;
  readonly groupId: string;
  readonly #kafka: Kafka;

  constructor(brokers: readonly string[], topic: string, groupId: string) {
    this.#kafka = new kafkajs.Kafka({
      brokers: [...brokers],
      clientId: "chaos",
      logLevel: kafkajs.logLevel.NOTHING,
      requestTimeout: 5_000,
      retry: { retries: 2, initialRetryTime: 100 },
    });
    this.admin = this.#kafka.admin();
    this.topic = topic;
    this.groupId = groupId;
  }

  async createTopic(topic: string, partitions: number, config: Readonly<Record<string, string>> = {}): Promise<void> {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    // kafkajs' own wait for the leaders fails while not every broker knows the topic.
    await this.admin.createTopics({
      waitForLeaders: false,
      topics: [{ topic, numPartitions: partitions, configEntries }],
    });
    await until(`${topic} has its partitions`, async () => {
      return (await this.admin.fetchTopicOffsets(topic)).length === partitions;
    });
  }

  async ends(): Promise<Offsets> {
    const offsets = await this.admin.fetchTopicOffsets(this.topic);
    return new Map(offsets.map(({ partition, high }) => [partition, BigInt(high)]));
  }

  async committed(): Promise<Offsets> {
    const [answer] = await this.admin.fetchOffsets({ groupId: this.groupId, topics: [this.topic] });
    const known = (answer?.partitions ?? []).filter(({ offset }) => Number(offset) >= 0);
    return new Map(known.map(({ partition, offset }) => [partition, BigInt(offset)]));
  }

  /** The broker that leads the first partition of a topic; -1 while none does. */
  async leaderOf(topic: string): Promise<number> {
    const { topics } = await this.admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions.find(({ partitionId }) => partitionId === 0)?.leader ?? -1;
  }

  async members(): Promise<number> {
    const { groups } = await this.admin.describeGroups([this.groupId]);
    return groups[0]?.members.length ?? 0;
  }

  /** Resolves when all of these offsets are committed. */
  async reached(goal: Offsets, timeoutMs: number): Promise<void> {
    let missing = "";
    await until(
      "everything is committed",
      async () => {
        const committed = await this.committed();
        const behind = [...goal].filter(([partition, end]) => (committed.get(partition) ?? 0n) < end);
        missing = behind.map(([partition, end]) => `${partition}: ${committed.get(partition)} of ${end}`).join(", ");
        return behind.length === 0;
      },
      timeoutMs,
    ).catch((error: unknown) => {
      if (error instanceof Error && missing !== "") error.message += `; committed of ${this.topic}: ${missing}`;
      throw error;
    });
  }

  transactionalProducer(): Producer {
    const createPartitioner = kafkajs.Partitioners.DefaultPartitioner;
    const transactional = { transactionalId: this.groupId, idempotent: true, maxInFlightRequests: 1 };
    return this.#kafka.producer({ ...transactional, createPartitioner });
  }

  /** All records of the dead-letter topic, once there are `count`. */
  async deadLetters(count: number): Promise<readonly KafkaMessage[]> {
    const consumer = this.#kafka.consumer({ groupId: `${this.groupId}-letters`, maxWaitTimeInMs: 100 });
    const messages: KafkaMessage[] = [];
    try {
      await consumer.connect();
      await consumer.subscribe({ topic: `${this.topic}.dlq`, fromBeginning: true });
      await consumer.run({ eachMessage: async ({ message }) => void messages.push(message) });
      await until(`there are ${count} dead letters`, () => messages.length >= count, 15_000);
      return messages;
    } finally {
      await consumer.disconnect();
    }
  }
}
