import type { PartitionOffset } from "./change-source.ts";
import { consumerError } from "./errors.ts";
import { kafkaError } from "./kafka-error.ts";
import type { KafkaLogEnds } from "./kafka-types.ts";

/** What is used of kafkajs' cluster; it reaches us through the partition assigner of a consumer that never runs. */
export interface LogCluster {
  /** Asked anew each time: a partition that was added a moment ago counts. */
  metadata(options: { topics: string[] }): Promise<{ topicMetadata: readonly TopicMetadata[] }>;
  findBroker(node: { nodeId: string }): Promise<{ listOffsets(request: object): Promise<unknown> }>;
}

interface TopicMetadata {
  readonly topic: string;
  readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[];
}

type ListedOffsets = {
  readonly responses: readonly {
    readonly topic: string;
    readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
  }[];
};

const latest = "-1";
/**
 * The end of what all replicas in sync have, as a consumer with `read_uncommitted` sees it. kafkajs' admin answers with
 * the end of what is committed: a transaction that is left open would hide acknowledged records behind it.
 */
const readUncommitted = 0;

export interface LogEndsParts {
  readonly cluster: LogCluster;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
}

export function kafkaLogEnds({ cluster, connect, disconnect }: LogEndsParts): KafkaLogEnds {
  return {
    connect: () => connect().catch((error) => Promise.reject(kafkaError(error, "Connecting to Kafka"))),
    disconnect,
    ends: async (topics) => {
      try {
        return await endsOf(cluster, topics);
      } catch (error) {
        throw kafkaError(error, `Reading the ends of ${topics.join(", ")}`);
      }
    },
  };
}

async function endsOf(cluster: LogCluster, topics: readonly string[]): Promise<readonly PartitionOffset[]> {
  const { topicMetadata } = await cluster.metadata({ topics: [...topics] });
  const byLeader = new Map<number, Map<string, number[]>>();
  for (const topic of topics) {
    const partitions = topicMetadata.find((one) => one.topic === topic)?.partitionMetadata ?? [];
    if (partitions.length === 0) throw missing(topic);
    for (const { partitionId, leader } of partitions) {
      const led = byLeader.get(leader) ?? new Map<string, number[]>();
      byLeader.set(leader, led.set(topic, [...(led.get(topic) ?? []), partitionId]));
    }
  }
  const answers = await Promise.all([...byLeader].map(([leader, led]) => askLeader(cluster, leader, led)));
  // In an order that does not change with the leaders.
  const place = ({ topic, partition }: PartitionOffset): number => topics.indexOf(topic) * 1_000_000 + partition;
  return answers.flat().sort((one, other) => place(one) - place(other));
}

async function askLeader(
  cluster: LogCluster,
  leader: number,
  led: ReadonlyMap<string, readonly number[]>,
): Promise<readonly PartitionOffset[]> {
  const broker = await cluster.findBroker({ nodeId: String(leader) });
  const asked = [...led].map(([topic, partitions]) => ({
    topic,
    partitions: partitions.map((partition) => ({ partition, timestamp: latest })),
  }));
  const { responses } = (await broker.listOffsets({ isolationLevel: readUncommitted, topics: asked })) as ListedOffsets;
  return asked.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition }) => {
      const answer = responses
        .find((one) => one.topic === topic)
        ?.partitions.find((one) => one.partition === partition);
      if (answer === undefined || BigInt(answer.offset) < 0n) throw missing(`${topic}/${partition}`);
      return { topic, partition, offset: BigInt(answer.offset) };
    }),
  );
}

function missing(what: string): Error {
  return consumerError("UNSTALE_KAFKA_REQUEST_FAILED", `Kafka does not say where ${what} ends.`);
}
