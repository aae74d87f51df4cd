import { deadLetterTopic, type OutgoingRecord, type SourceRecord } from "../../consumers/index.ts";
import { workerError } from "../errors.ts";

/** A record of a dead-letter topic, as it says of itself. */
export interface Letter {
  /** Where it lies: `cms.documents.dlq/0/12`. */
  readonly name: string;
  readonly record: SourceRecord;
  readonly reason: string;
  readonly detail: string;
  readonly origin: { readonly topic: string; readonly partition: number; readonly offset: number };
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Why it cannot be sent back; absent where it can. */
  readonly obstacle?: string | undefined;
}

/** Headers of ours, which a record does not take along when it goes back. */
const ownHeader = /^unstale-/i;
/** Tells from which letter a record was sent back. */
export const replayedFrom = "unstale-replayed-from";

/** `topic`: of which the dead-letter topic was read. */
export function letterOf(record: SourceRecord, topic: string): Letter {
  const text = (name: string): string => record.headers[name]?.[0]?.toString("utf8") ?? "";
  const origin = {
    topic: text("unstale-origin-topic"),
    partition: Number.parseInt(text("unstale-origin-partition"), 10),
    offset: Number.parseInt(text("unstale-origin-offset"), 10),
  };
  return {
    name: nameOf(record),
    record,
    reason: text("unstale-reason"),
    detail: text("unstale-detail"),
    origin,
    time: record.timestamp,
    obstacle: obstacleOf(record, origin, topic),
  };
}

function nameOf({ topic, partition, offset }: SourceRecord): string {
  return `${topic}/${partition}/${offset}`;
}

function obstacleOf({ headers }: SourceRecord, origin: Letter["origin"], topic: string): string | undefined {
  if (origin.topic !== topic) return "it does not come from this topic's worker";
  if (!Number.isInteger(origin.partition)) return "it does not say where it comes from";
  if ("unstale-value-bytes" in headers) return "only its origin was kept: the record was too large";
  return undefined;
}

/** The record as it was, without what we wrote on it, and from which letter it comes. */
export function returned(letter: Letter): OutgoingRecord {
  const { record, origin } = letter;
  const own = Object.entries(record.headers).filter(([name]) => !ownHeader.test(name));
  return {
    key: record.key,
    value: record.value,
    headers: { ...Object.fromEntries(own), [replayedFrom]: letter.name },
    partition: origin.partition,
  };
}

/** @throws UnstaleError `UNSTALE_USAGE` */
export function parseLetterName(
  name: string,
  topics: readonly string[],
): { readonly topic: string; readonly partition: number; readonly offset: bigint } {
  const [, log, partition, offset] = /^(.+)\/(\d{1,9})\/(\d{1,18})$/.exec(name) ?? [];
  const topic = topics.find((one) => deadLetterTopic(one) === log);
  if (topic !== undefined && offset !== undefined)
    return { topic, partition: Number(partition), offset: BigInt(offset) };
  throw workerError(
    "UNSTALE_USAGE",
    `Expected a dead letter as "unstale dlq list" names it, such as ${deadLetterTopic(topics[0] ?? "topic")}/0/12; got ${JSON.stringify(name.slice(0, 80))}.`,
  );
}
