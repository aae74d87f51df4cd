import { ownerIn } from "./group-members.ts";
import { kafkaError } from "./kafka-error.ts";
import type { CommittedOffset, KafkaAdminClient, LogBounds, MarkedOffset } from "./kafka-types.ts";

/** What is used of kafkajs' admin, in its words. */
export interface AdminLike {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  fetchTopicMetadata(options?: { topics: string[] }): Promise<{
    topics: readonly { name: string; partitions: readonly { replicas: readonly unknown[] }[] }[];
  }>;
  createTopics(options: {
    topics: { topic: string; numPartitions: number; replicationFactor: number }[];
    waitForLeaders: boolean;
  }): Promise<boolean>;
  fetchTopicOffsets(topic: string): Promise<readonly { partition: number; low: string; high: string }[]>;
  fetchTopicOffsetsByTimestamp(topic: string, time: number): Promise<readonly { partition: number; offset: string }[]>;
  fetchOffsets(options: { groupId: string; topics: string[] }): Promise<
    readonly {
      topic: string;
      partitions: readonly { partition: number; offset: string; metadata: string | null }[];
    }[]
  >;
  describeConfigs(options: {
    resources: { type: number; name: string; configNames: string[] }[];
    includeSynonyms: boolean;
  }): Promise<{
    resources: readonly {
      errorCode: number;
      resourceName: string;
      configEntries: readonly { configName: string; configValue: string }[];
    }[];
  }>;
  describeGroups(groupIds: string[]): Promise<{ groups: readonly { state: string; members: readonly MemberLike[] }[] }>;
  describeCluster(): Promise<{ brokers: readonly unknown[]; clusterId: string }>;
}

interface MemberLike {
  readonly clientId: string;
  readonly clientHost: string;
  readonly memberMetadata: Buffer;
}

const topicResource = 2;
/** Broker's defaults, since Kafka 2.4. */
const brokerDefault = -1;

/** All calls reject with an `UnstaleError` of `consumerErrors`. */
export function kafkaAdmin(admin: AdminLike): KafkaAdminClient {
  const told = async <T>(doing: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw kafkaError(error, doing);
    }
  };
  return {
    connect: () => told("Connecting to Kafka", () => admin.connect()),
    disconnect: () => admin.disconnect(),
    listTopics: () => told("Listing topics", () => listTopics(admin)),
    createTopics: (topics) =>
      told(`Creating ${topics.map(({ topic }) => topic).join(", ")}`, async () => {
        const wanted = topics.map(({ topic, partitions }) => ({
          topic,
          numPartitions: partitions ?? brokerDefault,
          replicationFactor: brokerDefault,
        }));
        await admin.createTopics({ topics: wanted, waitForLeaders: true });
      }),
    bounds: (topic) => told(`Reading the offsets of ${topic}`, () => bounds(admin, topic)),
    offsetsAt: (topic, time) =>
      told(`Reading the offsets of ${topic}`, async () => {
        const found = await admin.fetchTopicOffsetsByTimestamp(topic, time);
        return found.map(({ partition, offset }) => ({ partition, offset: BigInt(offset) }));
      }),
    committed: (groupId, topics) =>
      told(`Reading the offsets of group ${groupId}`, () => committed(admin, groupId, [...topics])),
    describeTopic: (topic) => told(`Describing ${topic}`, () => describeTopic(admin, topic)),
    uncompacted: (topics) => told("Reading the settings of topics", () => uncompacted(admin, topics)),
    describeGroup: (groupId) =>
      told(`Describing group ${groupId}`, async () => {
        const group = (await admin.describeGroups([groupId])).groups[0];
        const members = (group?.members ?? []).map(({ clientId, clientHost, memberMetadata }) => {
          return { clientId, host: clientHost, owner: ownerIn(memberMetadata) };
        });
        return { state: group?.state ?? "Dead", members };
      }),
    describeCluster: () =>
      told("Describing the cluster", async () => {
        const { brokers, clusterId } = await admin.describeCluster();
        return { brokers: brokers.length, clusterId };
      }),
  };
}

async function listTopics(admin: AdminLike): Promise<Map<string, number>> {
  const { topics } = await admin.fetchTopicMetadata();
  return new Map(topics.map(({ name, partitions }) => [name, partitions.length]));
}

async function bounds(admin: AdminLike, topic: string): Promise<LogBounds[]> {
  const partitions = await admin.fetchTopicOffsets(topic);
  const found = partitions.map(({ partition, low, high }) => ({ partition, low: BigInt(low), end: BigInt(high) }));
  return found.sort((one, other) => one.partition - other.partition);
}

async function committed(admin: AdminLike, groupId: string, topics: string[]): Promise<CommittedOffset[]> {
  const answers = await admin.fetchOffsets({ groupId, topics });
  return answers.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition, offset, metadata }) => ({
      topic,
      partition,
      // -1 is "none"; kafkajs writes -2 when it resets a position by itself, which says no more than that.
      ...(BigInt(offset) < 0n ? {} : { offset: BigInt(offset) }),
      metadata: metadata ?? "",
    })),
  );
}

async function describeTopic(admin: AdminLike, topic: string): Promise<{ replicas: number; retentionMs?: number }> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  const replicas = Math.min(...(topics[0]?.partitions ?? []).map((partition) => partition.replicas.length));
  // To read settings takes a permission that a worker need not have.
  const settings = await settingsOf(admin, [topic], ["cleanup.policy", "retention.ms"]).catch(() => undefined);
  const own = settings?.get(topic);
  const retentionMs = Number(own?.get("retention.ms") ?? -1);
  const drops = own?.get("cleanup.policy")?.includes("delete") === true && retentionMs >= 0;
  return drops ? { replicas, retentionMs } : { replicas };
}

async function uncompacted(admin: AdminLike, topics: readonly string[]): Promise<Set<string>> {
  if (topics.length === 0) return new Set();
  const settings = await settingsOf(admin, topics, ["cleanup.policy"]);
  return new Set([...settings].filter(([, own]) => own.get("cleanup.policy") === "delete").map(([topic]) => topic));
}

/** By topic and by name; topics of which they may not be read are left out. */
async function settingsOf(
  admin: AdminLike,
  topics: readonly string[],
  configNames: string[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  const resources = topics.map((name) => ({ type: topicResource, name, configNames }));
  const answer = await admin.describeConfigs({ resources, includeSynonyms: false });
  const known = answer.resources.filter(({ errorCode }) => errorCode === 0);
  return new Map(
    known.map(({ resourceName, configEntries }) => [
      resourceName,
      new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
    ]),
  );
}

/** As kafkajs takes offsets to commit. */
export function commitsOf(
  offsets: readonly MarkedOffset[],
): { topic: string; partition: number; offset: string; metadata: string }[] {
  return offsets.map(({ offset, ...rest }) => ({ ...rest, offset: String(offset) }));
}
