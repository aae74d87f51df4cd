/**
 * Reads a stretch of a log beside every group: nothing is joined, and nothing committed. For commands, which may not move
 * the offsets of workers that run.
 */
import type { Clock } from "@unstale/cache-core";
import type { SourceRecord } from "./change-event.ts";
import type { Partition } from "./change-source.ts";
import { reactionTo } from "./failure.ts";
import { type BatchLike, recordOf } from "./kafka-batch.ts";
import type { ClusterLike } from "./kafka-consumer.ts";
import { kafkaError } from "./kafka-error.ts";

export interface LogRange extends Partition {
  /** Offsets from the one up to, not including, the other; both within the log. */
  readonly from: bigint;
  readonly to: bigint;
}

export interface LogPage {
  readonly records: readonly SourceRecord[];
  /** Everything below was read. */
  readonly next: bigint;
}

export interface LogReader {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  /** Page by page, in order; holds no more than one. Rejects with an `UnstaleError` of `consumerErrors`. */
  read(range: LogRange): AsyncIterable<LogPage>;
}

/** What is used of kafkajs' cluster, in its words. */
export interface ReaderCluster extends ClusterLike {
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
}

type PartitionData = { readonly messages: readonly { readonly offset: string }[] };
type FetchAnswer = { readonly responses: readonly { readonly partitions: readonly PartitionData[] }[] };

export interface LogReaderOptions {
  readonly connect: () => Promise<void>;
  readonly disconnect: () => Promise<void>;
  readonly cluster: ReaderCluster;
  /** kafkajs' batch, which knows control records and aborted transactions. */
  readonly batchOf: (topic: string, fetched: string, data: PartitionData) => BatchLike;
  readonly clock: Clock;
}

const maxBytes = 1_048_576;
const attempts = 6;

export function kafkaReader({ connect, disconnect, cluster, batchOf, clock }: LogReaderOptions): LogReader {
  async function fetchAt({ topic, partition }: Partition, offset: bigint): Promise<PartitionData> {
    const nodeId = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))[0];
    if (nodeId === undefined) throw Object.assign(new Error("no leader"), { type: "LEADER_NOT_AVAILABLE" });
    const broker = await cluster.findBroker({ nodeId });
    const wanted = { partition, fetchOffset: String(offset), maxBytes };
    const answer = (await broker.fetch({
      maxWaitTime: 500,
      minBytes: 1,
      maxBytes,
      isolationLevel: 1,
      topics: [{ topic, partitions: [wanted] }],
      rackId: "",
    })) as FetchAnswer;
    return answer.responses[0]?.partitions[0] ?? { messages: [] };
  }

  /** Leaders move, connections break: a few times that is nobody's business. */
  async function patiently<T>(doing: string, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (attempt === attempts || reactionTo(error) !== "retry") throw kafkaError(error, doing);
        await clock.sleep(100 * 2 ** attempt);
        await cluster.refreshMetadata().catch(() => undefined);
      }
    }
  }

  async function* read({ topic, partition, from, to }: LogRange): AsyncGenerator<LogPage> {
    const doing = `Reading ${topic}/${partition}`;
    await patiently(doing, () => cluster.addTargetTopic(topic));
    for (let offset = from; offset < to; ) {
      const data = await patiently(`${doing} at offset ${offset}`, () => fetchAt({ topic, partition }, offset));
      const batch = batchOf(topic, String(offset), data);
      const records = batch.messages.map((message) => recordOf(batch, message)).filter((one) => one.offset < to);
      const last = data.messages.at(-1);
      // Nothing at all at an offset below the end: compaction emptied the batch in which it lies.
      const next = last === undefined ? offset + 1n : later(BigInt(last.offset), offset) + 1n;
      offset = next < to ? next : to;
      yield { records, next: offset };
    }
  }

  return {
    connect: () => connect().catch((error) => Promise.reject(kafkaError(error, "Connecting to Kafka"))),
    disconnect,
    read,
  };
}

function later(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
