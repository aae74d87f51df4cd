import { isUnstaleError, type UnstaleError } from "@unstale/cache-core";
import { consumerError, type consumerErrors } from "./errors.ts";
import { causesOf, refusedCertificate, untrusted } from "./failure.ts";

type Code = keyof typeof consumerErrors;

interface Row {
  readonly names: readonly string[];
  /** In place of a name, where the client gives none. */
  readonly message?: RegExp;
  readonly code: Code;
  readonly hint: string;
}

/** The first row that matches names the error for users. By name, since kafkajs' classes are not exported to ESM. */
const rows: readonly Row[] = [
  {
    names: ["UNSUPPORTED_SASL_MECHANISM"],
    code: "UNSTALE_KAFKA_AUTHENTICATION",
    hint: "the broker does not take this SASL mechanism; choose one that it has enabled",
  },
  {
    names: ["KafkaJSSASLAuthenticationError", "SASL_AUTHENTICATION_FAILED", "ILLEGAL_SASL_STATE"],
    code: "UNSTALE_KAFKA_AUTHENTICATION",
    hint: "Kafka refused the credentials; check mechanism, user name and password",
  },
  {
    names: ["ERR_TLS_CERT_ALTNAME_INVALID"],
    code: "UNSTALE_KAFKA_AUTHENTICATION",
    hint: "the broker's certificate is for another host; use a name that stands in it",
  },
  {
    names: ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"],
    code: "UNSTALE_KAFKA_AUTHENTICATION",
    hint: "the broker's certificate is not valid today; renew it",
  },
  {
    names: untrusted,
    code: "UNSTALE_KAFKA_AUTHENTICATION",
    hint: "the broker's certificate is not trusted; give the authority that signed it (ssl.ca)",
  },
  {
    names: refusedCertificate,
    code: "UNSTALE_KAFKA_AUTHENTICATION",
    hint: "the broker refused our client certificate, or wants one; check ssl.cert and ssl.key",
  },
  {
    names: ["ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_PACKET_LENGTH_TOO_LONG"],
    message: /before secure TLS connection was established/,
    code: "UNSTALE_KAFKA_UNREACHABLE",
    hint: "the broker does not answer in TLS; is this listener without it (ssl.enabled), or another program?",
  },
  {
    names: ["TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"],
    code: "UNSTALE_KAFKA_FORBIDDEN",
    hint: "Kafka's access rules do not allow this; they must allow Describe and Read on the topics and the group",
  },
  {
    names: ["KafkaJSNotImplemented", "KafkaJSServerDoesNotSupportApiKey", "KafkaJSUnsupportedMagicByteInMessageSet"],
    code: "UNSTALE_KAFKA_UNSUPPORTED",
    hint: "this client and the broker or a batch do not fit together",
  },
  {
    names: ["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"],
    code: "UNSTALE_KAFKA_TOO_LARGE",
    hint: "the record is larger than the topic's max.message.bytes",
  },
  {
    names: ["KafkaJSConnectionClosedError"],
    code: "UNSTALE_KAFKA_UNREACHABLE",
    hint: "the broker hung up; it is going down, or it wants TLS or a login on this listener",
  },
  {
    names: [
      "KafkaJSConnectionError",
      "KafkaJSRequestTimeoutError",
      "KafkaJSNoBrokerAvailableError",
      "KafkaJSBrokerNotFound",
      // Has no name of its own: what a client says that reached none of its seeds.
      "Broker not connected",
      "ECONNREFUSED",
      "ECONNRESET",
      "ENOTFOUND",
      "ETIMEDOUT",
      "EAI_AGAIN",
    ],
    code: "UNSTALE_KAFKA_UNREACHABLE",
    hint: "no broker answered; check the addresses and that they are reachable from here",
  },
  {
    names: [
      "KafkaJSGroupCoordinatorNotFound",
      "GROUP_COORDINATOR_NOT_AVAILABLE",
      "GROUP_LOAD_IN_PROGRESS",
      "NOT_COORDINATOR_FOR_GROUP",
      "LEADER_NOT_AVAILABLE",
      "NOT_LEADER_FOR_PARTITION",
      "UNKNOWN_TOPIC_OR_PARTITION",
      "REQUEST_TIMED_OUT",
      "NOT_ENOUGH_REPLICAS",
      "BROKER_NOT_AVAILABLE",
      "KafkaJSLockTimeout",
    ],
    code: "UNSTALE_KAFKA_UNREACHABLE",
    hint: "the cluster is not ready for this: a broker, leader, coordinator or topic is missing",
  },
];

/** An error of the client in the words of this project; its own stays as the cause. */
export function kafkaError(error: unknown, doing: string): UnstaleError {
  if (isUnstaleError(error)) return error;
  const names = new Set([...causesOf(error), ...(error instanceof Error ? [error.message] : [])]);
  // OpenSSL ends its messages with a line break.
  const said = (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ").trim();
  const row = rows.find(({ names: some, message }) => some.some((name) => names.has(name)) || message?.test(said));
  if (row === undefined) {
    return consumerError("UNSTALE_KAFKA_REQUEST_FAILED", `${doing}: ${said}`, { cause: error });
  }
  return consumerError(row.code, `${doing}: ${row.hint} (${said}).`, { cause: error });
}

/** Of a connection that stands and says nothing. */
export function kafkaSilent(): UnstaleError {
  return consumerError("UNSTALE_KAFKA_UNREACHABLE", "A broker takes our requests and does not answer.");
}
