import type { Partition, PartitionOffset } from "./change-source.ts";
import { commitsOf } from "./kafka-admin.ts";
import { kafkaBatch, type PayloadLike } from "./kafka-batch.ts";
import type { KafkaConsumer } from "./kafka-types.ts";
import { type TopicIdCluster, topicIds } from "./topic-ids.ts";

type TopicPartitions = { topic: string; partitions: number[] };

/** What is used of kafkajs' consumer, in its words. */
export interface ConsumerLike {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  subscribe(options: { topics: string[]; fromBeginning: boolean }): Promise<void>;
  run(options: {
    autoCommit: boolean;
    eachBatchAutoResolve: boolean;
    partitionsConsumedConcurrently: number;
    eachBatch: (payload: PayloadLike) => Promise<void>;
  }): Promise<void>;
  pause(topics: TopicPartitions[]): void;
  resume(topics: TopicPartitions[]): void;
  seek(target: { topic: string; partition: number; offset: string }): void;
  commitOffsets(offsets: { topic: string; partition: number; offset: string; metadata: string }[]): Promise<void>;
}

/** The part of kafkajs' cluster that questions of our own need; it reaches us through the partition assigner. */
export interface ClusterLike extends TopicIdCluster {
  findLeaderForPartitions(topic: string, partitions: number[]): Readonly<Record<string, unknown>>;
  findBroker(node: { nodeId: string }): Promise<{ fetch(request: object): Promise<unknown> }>;
}

export interface KafkaConsumerOptions {
  readonly consumer: ConsumerLike;
  readonly cluster: () => ClusterLike | undefined;
  readonly partitionsConcurrently: number;
}

export function kafkaConsumer(options: KafkaConsumerOptions): KafkaConsumer {
  const { consumer, cluster, partitionsConcurrently } = options;
  return {
    connect: () => consumer.connect(),
    run: async (topics, onBatch) => {
      // From the beginning: an event that was missed is worse than one that is seen twice.
      await consumer.subscribe({ topics: [...topics], fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: partitionsConcurrently,
        eachBatch: (payload) => onBatch(kafkaBatch(payload)),
      });
    },
    pause: (partitions) => whileRunning(() => consumer.pause(byTopic(partitions))),
    resume: (partitions) => whileRunning(() => consumer.resume(byTopic(partitions))),
    seek: ({ topic, partition, offset }) =>
      whileRunning(() => consumer.seek({ topic, partition, offset: String(offset) })),
    commit: (offsets) => consumer.commitOffsets(commitsOf(offsets)),
    topicIds: async (topics) => {
      const found = cluster();
      return found === undefined ? undefined : await topicIds(found, topics);
    },
    isEmptyAt: (target) => isEmptyAt(cluster(), target),
    disconnect: () => consumer.disconnect(),
  };
}

/** A dead consumer throws on these; its successor starts from our own state, so nothing is lost by ignoring it. */
function whileRunning(work: () => void): void {
  try {
    work();
  } catch {
    // See above.
  }
}

type FetchAnswer = {
  responses?: readonly {
    partitions?: readonly { lastStableOffset?: string; messages?: readonly unknown[] }[];
  }[];
};

/**
 * One fetch beside the consumer's own. It asks for a single byte, and a broker always returns the batch in which the
 * offset lies as a whole: no records in it, though the log goes on, is proof that compaction emptied it.
 */
async function isEmptyAt(cluster: ClusterLike | undefined, target: PartitionOffset): Promise<boolean> {
  if (cluster === undefined) return false;
  const { topic, partition, offset } = target;
  const nodeId = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))[0];
  if (nodeId === undefined) return false;
  const broker = await cluster.findBroker({ nodeId });
  const answer = (await broker.fetch({
    maxWaitTime: 100,
    minBytes: 1,
    maxBytes: 1,
    isolationLevel: 1,
    topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: 1 }] }],
    rackId: "",
  })) as FetchAnswer;
  const found = answer.responses?.[0]?.partitions?.[0];
  if (found?.messages === undefined || found.lastStableOffset === undefined) return false;
  return found.messages.length === 0 && BigInt(found.lastStableOffset) > offset;
}

function byTopic(partitions: readonly Partition[]): TopicPartitions[] {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) topics.set(topic, [...(topics.get(topic) ?? []), partition]);
  return [...topics].map(([topic, list]) => ({ topic, partitions: list }));
}
