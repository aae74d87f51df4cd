/**
 * Which topics are read, how, and what happens to a record that cannot be: topic -> decoder -> policy. Read this first.
 *
 *   topic            every subscription names one; no patterns, so that a mistake is an error and not a silence
 *   format           the decoder: bytes -> change events, or a reason (`decoders/<format>.ts`)
 *   id               template of a document id, `{type}:{id}`
 *   wide             whether the topic may void namespaces, or everything
 *   dead letters     `<topic>.dlq`, with the reason
 */
import type { Decoded, Decoder, SourceRecord, Subscription } from "./change-event.ts";
import { decodeJson } from "./decoders/json.ts";
import { consumerError } from "./errors.ts";
import { parseIdTemplate } from "./id-template.ts";

const decoders: Readonly<Record<Subscription["format"], Decoder>> = { json: decodeJson };

export const formats = Object.keys(decoders) as readonly Subscription["format"][];

const deadLetterSuffix = ".dlq";
const maxTopicLength = 249;

export interface Subscriptions {
  readonly topics: readonly string[];
  get(topic: string): Subscription | undefined;
  /** Never throws: a record yields at least one change, or a reason. */
  decode(record: SourceRecord): Decoded;
}

export function deadLetterTopic(topic: string): string {
  return `${topic}${deadLetterSuffix}`;
}

/** @throws UnstaleError `UNSTALE_KAFKA_OPTIONS` with all problems of all subscriptions. */
export function createSubscriptions(list: readonly Subscription[]): Subscriptions {
  const problems = list.flatMap((subscription, index) => problemsOf(subscription, list.slice(0, index)));
  if (list.length === 0) problems.push("topics: expected at least one");
  if (problems.length > 0) {
    throw consumerError("UNSTALE_KAFKA_OPTIONS", problems.join("\n"), { details: { problems } });
  }
  const byTopic = new Map(list.map((subscription) => [subscription.topic, subscription]));
  return {
    topics: [...byTopic.keys()],
    get: (topic) => byTopic.get(topic),
    decode: (record) => decode(record, byTopic.get(record.topic)),
  };
}

function decode(record: SourceRecord, subscription: Subscription | undefined): Decoded {
  if (subscription === undefined) {
    return { kind: "failure", reason: "decoder-error", detail: `no subscription for ${record.topic}`, changes: [] };
  }
  try {
    return decoders[subscription.format](record, subscription);
  } catch (error) {
    // A decoder that throws is a bug of ours; contained here, it costs one record and not the partition.
    const detail = error instanceof Error ? error.name : "unknown";
    return { kind: "failure", reason: "decoder-error", detail, changes: [] };
  }
}

function problemsOf(subscription: Subscription, before: readonly Subscription[]): string[] {
  const { topic, format, id } = subscription;
  const named = `topic ${JSON.stringify(topic)}`;
  const problems: string[] = [];
  if (!/^[a-zA-Z0-9._-]+$/.test(topic) || topic === "." || topic === "..") {
    problems.push(`${named}: expected letters, digits, ".", "_" and "-"`);
  }
  if (topic.length > maxTopicLength - deadLetterSuffix.length) {
    problems.push(`${named}: expected at most ${maxTopicLength - deadLetterSuffix.length} characters`);
  }
  if (topic.endsWith(deadLetterSuffix)) {
    problems.push(`${named}: a dead-letter topic cannot be read as a source of changes`);
  }
  if (before.some((other) => other.topic === topic)) problems.push(`${named}: named twice`);
  if (!Object.hasOwn(decoders, format)) {
    problems.push(`${named}: expected a format of ${formats.join(", ")}, got ${JSON.stringify(format)}`);
  }
  const template = parseIdTemplate(id);
  if (!template.ok) problems.push(`${named}: its id template ${JSON.stringify(id)} ${template.problem}`);
  return problems;
}
