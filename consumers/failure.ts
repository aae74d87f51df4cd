import { isUnstaleError } from "@unstale/cache-core";

/**
 * What to do about an error, in one table:
 * - `retry`: nobody's fault that lasts; pause the partition and try again.
 * - `dead-letter`: this record will never be taken.
 * - `rejoin`: the group moved on without us; only kafkajs can mend it.
 * - `crash`: trying again changes nothing; build a new consumer, and give up after some.
 */
export type Reaction = "retry" | "dead-letter" | "rejoin" | "crash";

/** Node's codes for a broker whose certificate nobody vouches for. */
export const untrusted = [
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_GET_ISSUER_CERT",
  "CERT_SIGNATURE_FAILURE",
  "CERT_REVOKED",
] as const;

/** OpenSSL's codes for a server that refuses our certificate, or misses it. */
export const refusedCertificate = [
  "ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE",
  "ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN",
  "ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED",
  "ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED",
  "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
  "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
] as const;

const crashes = (codes: readonly string[]): Readonly<Record<string, Reaction>> =>
  Object.fromEntries(codes.map((code) => [code, "crash"]));

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
  UNSUPPORTED_SASL_MECHANISM: "crash",
  UNSUPPORTED_VERSION: "crash",
  // kafkajs' errors, by name
  KafkaJSSASLAuthenticationError: "crash",
  KafkaJSNotImplemented: "crash",
  KafkaJSServerDoesNotSupportApiKey: "crash",
  KafkaJSUnsupportedMagicByteInMessageSet: "crash",
  // Node's
  ERR_TLS_CERT_ALTNAME_INVALID: "crash",
  CERT_HAS_EXPIRED: "crash",
  CERT_NOT_YET_VALID: "crash",
  ...crashes(untrusted),
  ...crashes(refusedCertificate),
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
