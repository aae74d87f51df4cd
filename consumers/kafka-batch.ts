import type { SourceRecord } from "./change-event.ts";
import type { KafkaBatch, MarkedOffset } from "./kafka-types.ts";

type HeaderValue = Buffer | string | null | undefined;

/** What is used of kafkajs' batch, in its words. */
export interface BatchLike {
  readonly topic: string;
  readonly partition: number;
  readonly highWatermark: string;
  /** There, but not in kafkajs' declarations. */
  readonly fetchedOffset?: string;
  readonly messages: readonly MessageLike[];
  firstOffset(): string | null;
  lastOffset(): string;
}

export interface MessageLike {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly offset: string;
  readonly timestamp: string;
  readonly headers?: Readonly<Record<string, HeaderValue | readonly HeaderValue[]>> | undefined;
}

export interface PayloadLike {
  readonly batch: BatchLike;
  resolveOffset(offset: string): void;
  heartbeat(): Promise<void>;
  isRunning(): boolean;
  isStale(): boolean;
  commitOffsetsIfNecessary(offsets: {
    topics: { topic: string; partitions: { partition: number; offset: string; metadata?: string }[] }[];
  }): Promise<void>;
}

export function kafkaBatch(payload: PayloadLike): KafkaBatch {
  const { batch } = payload;
  const { topic, partition, messages } = batch;
  const first = batch.firstOffset();
  return {
    topic,
    partition,
    size: messages.length,
    record: (index) => recordOf(batch, messages[index]),
    fetched: batch.fetchedOffset === undefined ? undefined : BigInt(batch.fetchedOffset),
    first: first === null ? undefined : BigInt(first),
    next: BigInt(batch.lastOffset()) + 1n,
    end: BigInt(batch.highWatermark),
    resolve: (next) => payload.resolveOffset(String(next - 1n)),
    heartbeat: () => payload.heartbeat(),
    stale: () => !payload.isRunning() || payload.isStale(),
    commit: (offsets) => payload.commitOffsetsIfNecessary({ topics: byTopic(offsets) }),
  };
}

export function recordOf(
  batch: Pick<BatchLike, "topic" | "partition">,
  message: MessageLike | undefined,
): SourceRecord {
  if (message === undefined) throw new RangeError("no such record in the batch");
  return {
    topic: batch.topic,
    partition: batch.partition,
    offset: BigInt(message.offset),
    key: message.key,
    value: message.value,
    headers: headersOf(message.headers ?? {}),
    timestamp: Number(message.timestamp),
  };
}

function headersOf(headers: NonNullable<MessageLike["headers"]>): Record<string, readonly Buffer[]> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      const values = Array.isArray(value) ? (value as readonly HeaderValue[]) : [value as HeaderValue];
      return [name, values.map((one) => (Buffer.isBuffer(one) ? one : Buffer.from(one ?? "")))];
    }),
  );
}

type TopicOffsets = { topic: string; partitions: { partition: number; offset: string; metadata: string }[] };

function byTopic(offsets: readonly MarkedOffset[]): TopicOffsets[] {
  const topics = new Map<string, TopicOffsets>();
  for (const { topic, partition, offset, metadata } of offsets) {
    const entry = topics.get(topic) ?? { topic, partitions: [] };
    entry.partitions.push({ partition, offset: String(offset), metadata });
    topics.set(topic, entry);
  }
  return [...topics.values()];
}
