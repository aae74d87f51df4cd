/** What this room sees of a Kafka client: kafkajs stays behind these. Offsets are bigint, values are bytes. */
import type { Partition, PartitionOffset } from "./change-source.ts";
import type { GroupMember } from "./group-members.ts";
import type { LogReader } from "./kafka-reader.ts";
import type { RecordBatch } from "./slices.ts";

export interface KafkaConnection {
  /** `host:port`, at least one. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** `true` trusts the system's authorities; PEM text otherwise. */
  readonly ssl?:
    | boolean
    | {
        readonly ca?: string | undefined;
        readonly cert?: string | undefined;
        readonly key?: string | undefined;
        readonly rejectUnauthorized?: boolean | undefined;
      }
    | undefined;
  readonly sasl?:
    | {
        readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
        readonly username: string;
        readonly password: string;
      }
    | undefined;
  /** Default 10 s. */
  readonly connectTimeoutMs?: number | undefined;
  /** Default 30 s. */
  readonly requestTimeoutMs?: number | undefined;
}

export interface OutgoingRecord {
  readonly key: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers?: Readonly<Record<string, string | Buffer | readonly Buffer[]>> | undefined;
  /** Absent: by the key, as Java producers do. */
  readonly partition?: number | undefined;
}

export interface RecordSender {
  /** Resolves when all in-sync replicas have the records. */
  send(topic: string, records: readonly OutgoingRecord[]): Promise<readonly PartitionOffset[]>;
}

export interface KafkaProducer extends RecordSender {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
}

/** An offset to commit, and what to keep beside it. */
export interface MarkedOffset extends PartitionOffset {
  readonly metadata: string;
}

/** Ids of topics that exist, by name; nothing where the broker knows no ids. */
export type TopicIds = (topics: readonly string[]) => Promise<ReadonlyMap<string, string> | undefined>;

/** Of one topic; numbered like its partitions. */
export interface LogBounds {
  readonly partition: number;
  /** First offset still there. */
  readonly low: bigint;
  /** Where a reader of committed records ends: below the first open transaction. */
  readonly end: bigint;
}

export interface CommittedOffset extends Partition {
  /** Absent where the group has none. */
  readonly offset?: bigint | undefined;
  readonly metadata: string;
}

export interface KafkaAdminClient {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  /** Names with their number of partitions. */
  listTopics(): Promise<ReadonlyMap<string, number>>;
  /** Creates those that are missing. Without `partitions`, and for replicas always, the broker's defaults hold. */
  createTopics(topics: readonly { readonly topic: string; readonly partitions?: number | undefined }[]): Promise<void>;
  bounds(topic: string): Promise<readonly LogBounds[]>;
  /** Of each partition the first offset whose record is not older than `time` (ms since the epoch), else its end. */
  offsetsAt(topic: string, time: number): Promise<readonly { readonly partition: number; readonly offset: bigint }[]>;
  committed(groupId: string, topics: readonly string[]): Promise<readonly CommittedOffset[]>;
  /** `replicas`: of the partition that has the fewest. `retentionMs`: absent where it is without end or may not be read. */
  describeTopic(topic: string): Promise<{ readonly replicas: number; readonly retentionMs?: number }>;
  /** Topics of which it is known that no record is ever compacted away. */
  uncompacted(topics: readonly string[]): Promise<ReadonlySet<string>>;
  /** `state` as Kafka calls it; only of a `Stable` group is it known for whom its members work. */
  describeGroup(groupId: string): Promise<{ readonly state: string; readonly members: readonly GroupMember[] }>;
  describeCluster(): Promise<{ readonly brokers: number; readonly clusterId: string }>;
}

/** Where logs end, for everybody who writes to them. */
export interface KafkaLogEnds {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  /** Of every partition of these topics; rejects when one of them is missing or has no leader. */
  ends(topics: readonly string[]): Promise<readonly PartitionOffset[]>;
}

export interface KafkaBatch extends Partition, RecordBatch {
  /** The offset that was asked for, where the client says so. */
  readonly fetched: bigint | undefined;
  readonly first: bigint | undefined;
  /** Records below `next` are not fetched again. */
  resolve(next: bigint): void;
  /** Rejects when the group moved on, see `reactionTo`. */
  heartbeat(): Promise<void>;
  /** A seek is pending, or the consumer stops. */
  stale(): boolean;
  /** Commits also while the consumer is stopping. */
  commit(offsets: readonly MarkedOffset[]): Promise<void>;
}

export interface Membership {
  readonly memberId: string;
  readonly partitions: readonly Partition[];
}

/** Called synchronously by the client, in order. Must not throw. */
export interface ConsumerListeners {
  onJoined(membership: Membership): void;
  onRebalancing(): void;
  /** The consumer is dead and will not restart itself. */
  onCrashed(error: Error): void;
  /** Records that were read and hold nothing for us (markers, aborted transactions) end before `next`. */
  onFiltered(partition: Partition, next: bigint): void;
  /** Our position does not exist in the log (any more, or yet). */
  onOutOfRange(partition: Partition): void;
  /** A request was not answered in time, and the group was not heard since; and that it was heard again. */
  onSilent(): void;
  onHeard(): void;
}

export interface ConsumerTuning {
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly maxWaitMs: number;
  readonly maxBytesPerPartition: number;
  /** How soon added partitions are noticed. */
  readonly metadataMaxAgeMs: number;
  readonly partitionsConcurrently: number;
}

export interface ConsumerOptions {
  readonly groupId: string;
  /** For whom this member works, as it tells the group. */
  readonly owner?: string | undefined;
  readonly tuning: ConsumerTuning;
  readonly listeners: ConsumerListeners;
}

export interface KafkaConsumer {
  connect(): Promise<void>;
  /** Resolves when the group was joined, or after `onCrashed`. No error of `onBatch` may escape but a rejoin. */
  run(topics: readonly string[], onBatch: (batch: KafkaBatch) => Promise<void>): Promise<void>;
  pause(partitions: readonly Partition[]): void;
  resume(partitions: readonly Partition[]): void;
  seek(target: PartitionOffset): void;
  /** Does nothing, silently, once `disconnect` began. */
  commit(offsets: readonly MarkedOffset[]): Promise<void>;
  /** Of topics that exist. Rejects as the client does. */
  topicIds: TopicIds;
  /**
   * Whether the broker has nothing at all to read at an offset below the log's end (a batch that compaction emptied).
   * False whenever that is not certain.
   */
  isEmptyAt(target: PartitionOffset): Promise<boolean>;
  /** Leaves the group. Only after `run` resolved. */
  disconnect(): Promise<void>;
}

/** One client for one consumer (its cache of committed offsets is shared by all consumers of a client). */
export interface KafkaClient {
  consumer(options: ConsumerOptions): KafkaConsumer;
  producer(): KafkaProducer;
  reader(): LogReader;
  admin(): KafkaAdminClient;
  logEnds(): KafkaLogEnds;
  /** Cuts every connection, and refuses new ones: whatever still runs inside fails soon. */
  destroy(): void;
}
