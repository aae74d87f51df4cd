import { isUnstaleError } from "@unstale/cache-core";

/**
 * What to do about an error, in one table:
 * - `retry`: nobody's fault that lasts; pause the partition and try again.
 * - `dead-letter`: this record will never be taken.
 * - `rejoin`: the group moved on without us; only kafkajs can mend it.
 * - `crash`: trying again changes nothing; build a new consumer, and give up after some.
 */
export type Reaction = "retry" | "dead-letter" | "rejoin" | "crash";

/** docs/operations.md shows the same table. */
export const reactions: Readonly<Record<string, Reaction>> = {
  // Kafka's protocol errors, by type
  REBALANCE_IN_PROGRESS: "rejoin",
  ILLEGAL_GENERATION: "rejoin",
  UNKNOWN_MEMBER_ID: "rejoin",
  NOT_COORDINATOR_FOR_GROUP: "rejoin",
  FENCED_INSTANCE_ID: "rejoin",
  MESSAGE_TOO_LARGE: "dead-letter",
  RECORD_LIST_TOO_LARGE: "dead-letter",
  INVALID_RECORD: "dead-letter",
  TOPIC_AUTHORIZATION_FAILED: "crash",
  GROUP_AUTHORIZATION_FAILED: "crash",
  CLUSTER_AUTHORIZATION_FAILED: "crash",
  SASL_AUTHENTICATION_FAILED: "crash",
  UNSUPPORTED_VERSION: "crash",
  // kafkajs' errors, by name
  KafkaJSSASLAuthenticationError: "crash",
  KafkaJSNotImplemented: "crash",
  KafkaJSServerDoesNotSupportApiKey: "crash",
  KafkaJSUnsupportedMagicByteInMessageSet: "crash",
  // Node's
  ERR_TLS_CERT_ALTNAME_INVALID: "crash",
  SELF_SIGNED_CERT_IN_CHAIN: "crash",
  DEPTH_ZERO_SELF_SIGNED_CERT: "crash",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "crash",
  CERT_HAS_EXPIRED: "crash",
};

/**
 * Looks through wrapped errors first, since kafkajs and we hide causes under errors of our own; then at what an error of
 * this project says about itself. Unknown blame is `retry`.
 */
export function reactionTo(error: unknown): Reaction {
  for (const name of causesOf(error)) {
    const reaction = Object.hasOwn(reactions, name) ? reactions[name] : undefined;
    if (reaction !== undefined) return reaction;
  }
  return isUnstaleError(error) && !error.retryable ? "crash" : "retry";
}

/** Names, types and codes of an error and of its causes, outermost first. */
export function causesOf(error: unknown): string[] {
  return chainOf(error).flatMap(namesOf);
}

function chainOf(error: unknown): object[] {
  const chain: object[] = [];
  let link = error;
  while (typeof link === "object" && link !== null && chain.length < 8 && !chain.includes(link)) {
    chain.push(link);
    link = (link as { cause?: unknown }).cause;
  }
  return chain;
}

function namesOf(link: object): string[] {
  const { type, code, name } = link as { type?: unknown; code?: unknown; name?: unknown };
  return [type, code, name].filter((part) => typeof part === "string");
}
