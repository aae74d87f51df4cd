// A Kafka client behind `kafka-types.ts` that does what a test says: joins, batches, crashes, broken requests.
import type { Partition, PartitionOffset } from "../../consumers/change-source.ts";
import type { GroupMember } from "../../consumers/group-members.ts";
import type { CreateKafkaClient } from "../../consumers/kafka-client.ts";
import type { ConsumerListeners, KafkaBatch, KafkaConsumer, MarkedOffset } from "../../consumers/kafka-types.ts";
import { sourceRecord } from "./source-records.ts";

export class FakeConsumer implements KafkaConsumer {
  readonly listeners: ConsumerListeners;
  readonly commits: PartitionOffset[] = [];
  /** What stood beside the last commit. */
  metadata: string | undefined;
  /** By a batch, which may still commit for the generation that it came from. */
  readonly batchCommits: PartitionOffset[] = [];
  readonly seeks: PartitionOffset[] = [];
  readonly paused = new Set<number>();
  disconnected = false;
  #onBatch: (batch: KafkaBatch) => Promise<void> = async () => {};

  readonly #log: FakeKafka["log"];

  constructor(listeners: ConsumerListeners, log: FakeKafka["log"]) {
    this.listeners = listeners;
    this.#log = log;
  }

  async connect(): Promise<void> {}

  async run(_: readonly string[], onBatch: (batch: KafkaBatch) => Promise<void>): Promise<void> {
    this.#onBatch = onBatch;
    this.join("member-1", [0]);
  }

  join(memberId: string, partitions: readonly number[]): void {
    this.listeners.onJoined({ memberId, partitions: partitions.map((partition) => ({ topic: "t", partition })) });
  }

  /** A batch of partition 0 as fetched at `fetched`, with records at `offsets`. Resolves or rejects as eachBatch would. */
  async deliver(options: {
    readonly fetched: bigint;
    readonly offsets: readonly bigint[];
    readonly heartbeat?: () => Promise<void>;
    readonly stale?: boolean;
  }): Promise<{ readonly resolved: readonly bigint[] }> {
    const { fetched, offsets } = options;
    const resolved: bigint[] = [];
    const next = (offsets.at(-1) ?? fetched) + 1n;
    await this.#onBatch({
      topic: "t",
      partition: 0,
      size: offsets.length,
      record: (index) =>
        sourceRecord({ topic: "t", offset: offsets[index] ?? -1n, value: { id: `d${offsets[index]}` } }),
      fetched,
      first: offsets[0],
      next,
      end: next,
      resolve: (offset) => resolved.push(offset),
      heartbeat: options.heartbeat ?? (async () => {}),
      stale: () => options.stale ?? false,
      commit: async (list) => {
        this.batchCommits.push(...list.map(unmarked));
      },
    });
    return { resolved };
  }

  pause(partitions: readonly Partition[]): void {
    for (const { partition } of partitions) this.paused.add(partition);
  }

  resume(partitions: readonly Partition[]): void {
    for (const { partition } of partitions) this.paused.delete(partition);
  }

  seek(target: PartitionOffset): void {
    this.seeks.push(target);
  }

  async commit(offsets: readonly MarkedOffset[]): Promise<void> {
    this.commits.push(...offsets.map(unmarked));
    this.metadata = offsets.at(-1)?.metadata;
  }

  async topicIds(): Promise<ReadonlyMap<string, string> | undefined> {
    return this.#log.topicId === undefined ? undefined : new Map([["t", this.#log.topicId]]);
  }

  async isEmptyAt(): Promise<boolean> {
    return false;
  }

  async disconnect(): Promise<void> {
    this.disconnected = true;
  }
}

function unmarked({ topic, partition, offset }: MarkedOffset): PartitionOffset {
  return { topic, partition, offset };
}

export interface FakeKafka {
  readonly createClient: CreateKafkaClient;
  /** One for each session, in order. */
  readonly consumers: FakeConsumer[];
  /** What the admin answers next; a test may change it. */
  readonly log: {
    low: bigint;
    end: bigint;
    committed: bigint | undefined;
    metadata: string;
    topicId: string | undefined;
    policyKnown: boolean;
    groupState: string;
    members: GroupMember[];
  };
}

export function createFakeKafka(): FakeKafka {
  const consumers: FakeConsumer[] = [];
  const log: FakeKafka["log"] = {
    low: 0n,
    end: 1_000n,
    committed: undefined,
    metadata: "",
    topicId: undefined,
    policyKnown: true,
    groupState: "Stable",
    members: [],
  };
  const partition = { topic: "t", partition: 0 };
  const createClient: CreateKafkaClient = () => ({
    consumer: ({ listeners }) => {
      const consumer = new FakeConsumer(listeners, log);
      consumers.push(consumer);
      return consumer;
    },
    reader: () => {
      throw new Error("nothing to read");
    },
    producer: () => ({ connect: async () => {}, disconnect: async () => {}, send: async () => [] }),
    admin: () => ({
      connect: async () => {},
      disconnect: async () => {},
      listTopics: async () =>
        new Map([
          ["t", 1],
          ["t.dlq", 1],
        ]),
      createTopics: async () => {},
      offsetsAt: async () => [],
      bounds: async () => [0, 1].map((one) => ({ partition: one, low: log.low, end: log.end })),
      committed: async () => {
        const { committed: offset, metadata } = log;
        return [{ ...partition, metadata, ...(offset === undefined ? {} : { offset }) }];
      },
      describeTopic: async () => ({ replicas: 1 }),
      uncompacted: async () => new Set(log.policyKnown ? ["t"] : []),
      describeGroup: async () => ({ state: log.groupState, members: log.members }),
      describeCluster: async () => ({ brokers: 1, clusterId: "fake" }),
    }),
    logEnds: () => ({
      connect: async () => {},
      disconnect: async () => {},
      ends: async () => [0, 1].map((partition) => ({ topic: "t", partition, offset: log.end })),
    }),
    destroy: () => {},
  });
  return { createClient, consumers, log };
}
