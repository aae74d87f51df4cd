/**
 * Where records go that cannot be read: `<topic>.dlq`, the bytes of key, value and headers untouched, and why beside them.
 * The letter is acknowledged by all replicas before the record's offset may move on; a dead-letter topic that cannot be
 * written pauses the partition. A letter that Kafka refuses for its size (a value near the limit, plus our headers) is
 * replaced by a stub without value and original headers, then without key: reason and origin always arrive, and the
 * bytes can be read at the origin until its retention takes them.
 */
import type { SourceRecord } from "./change-event.ts";
import { reactionTo } from "./failure.ts";
import type { OutgoingRecord, RecordSender } from "./kafka-types.ts";
import type { Log } from "./log.ts";
import type { FailedRecord } from "./slices.ts";
import { deadLetterTopic } from "./subscriptions.ts";

/** The port: Kafka in production, memory for the embedded source. */
export interface DeadLetters {
  /** Resolves when all letters are safe. Repeating is allowed: readers tell letters apart by their origin. */
  publish(failures: readonly FailedRecord[]): Promise<void>;
}

export interface KafkaDeadLettersOptions {
  readonly sender: RecordSender;
  readonly log: Log;
}

export function createKafkaDeadLetters({ sender, log }: KafkaDeadLettersOptions): DeadLetters {
  return {
    publish: async (failures) => {
      for (const [topic, letters] of groupByTopic(failures)) {
        try {
          await sender.send(topic, letters.map(letterOf));
        } catch (error) {
          if (reactionTo(error) !== "dead-letter") throw error;
          // One of them is too large: find out which.
          for (const letter of letters) await publishOne({ sender, log }, topic, letter);
        }
      }
    },
  };
}

const maxDetailLength = 512;

/** The record as it was, and why it could not be read. */
export function letterOf({ record, reason, detail }: FailedRecord): OutgoingRecord {
  return {
    key: record.key,
    value: record.value,
    headers: { ...record.headers, ...originOf({ record, reason, detail }) },
  };
}

function originOf({ record, reason, detail }: FailedRecord): Record<string, string> {
  return {
    "unstale-reason": reason,
    "unstale-detail": detail.slice(0, maxDetailLength),
    "unstale-origin-topic": record.topic,
    "unstale-origin-partition": String(record.partition),
    "unstale-origin-offset": String(record.offset),
    "unstale-origin-timestamp": String(record.timestamp),
  };
}

async function publishOne(
  { sender, log }: KafkaDeadLettersOptions,
  topic: string,
  failure: FailedRecord,
): Promise<void> {
  const full = letterOf(failure);
  const headers = { ...originOf(failure), "unstale-value-bytes": String(sizeOf(failure.record)) };
  const attempts = [full, { key: full.key, value: null, headers }, { key: null, value: null, headers }];
  for (const [index, letter] of attempts.entries()) {
    try {
      await sender.send(topic, [letter]);
      if (index > 0) log.error({ topic, ...headers }, "dead letter too large for its topic: only its origin was kept");
      return;
    } catch (error) {
      if (reactionTo(error) !== "dead-letter" || index === attempts.length - 1) throw error;
    }
  }
}

function sizeOf(record: SourceRecord): number {
  return record.value?.length ?? 0;
}

function groupByTopic(failures: readonly FailedRecord[]): Map<string, FailedRecord[]> {
  const byTopic = new Map<string, FailedRecord[]>();
  for (const failure of failures) {
    const topic = deadLetterTopic(failure.record.topic);
    const letters = byTopic.get(topic);
    if (letters === undefined) byTopic.set(topic, [failure]);
    else letters.push(failure);
  }
  return byTopic;
}

/** Letters of the embedded source: the last `limit`, in memory. */
export interface MemoryDeadLetters extends DeadLetters {
  readonly letters: readonly FailedRecord[];
}

export function createMemoryDeadLetters(options: { readonly limit: number; readonly log: Log }): MemoryDeadLetters {
  const letters: FailedRecord[] = [];
  return {
    letters,
    publish: async (failures) => {
      for (const failure of failures) {
        const { topic, offset } = failure.record;
        options.log.warn({ topic, offset, reason: failure.reason, detail: failure.detail }, "dead letter");
        letters.push(failure);
      }
      letters.splice(0, Math.max(0, letters.length - options.limit));
    },
  };
}
