import { type ErrorKind, isUnstaleError, UnstaleError } from "@unstale/cache-core";

/** Every error that this room throws. docs/errors.md shows the same table (a test compares them). */
export const consumerErrors = {
  UNSTALE_KAFKA_OPTIONS: { retryable: false, summary: "Brokers, TLS, SASL or topics are not given as they must be." },
  UNSTALE_KAFKA_UNREACHABLE: { retryable: true, summary: "No Kafka broker answered in time." },
  UNSTALE_KAFKA_AUTHENTICATION: { retryable: false, summary: "Kafka refused the user name, password or certificate." },
  UNSTALE_KAFKA_FORBIDDEN: { retryable: false, summary: "Kafka forbids this user a topic, the group or the cluster." },
  UNSTALE_KAFKA_UNSUPPORTED: {
    retryable: false,
    summary: "The broker lacks something, or a batch is compressed with a codec that is not installed.",
  },
  UNSTALE_KAFKA_REQUEST_FAILED: { retryable: true, summary: "A request to Kafka failed." },
  UNSTALE_KAFKA_TOO_LARGE: { retryable: false, summary: "Kafka refused a record because of its size." },
  UNSTALE_KAFKA_GROUP_SHARED: {
    retryable: false,
    summary: "The consumer group is in use by another deployment, or by another program.",
  },
  UNSTALE_KAFKA_GAVE_UP: { retryable: false, summary: "The consumer crashed too often in a row; replace the process." },
  UNSTALE_SOURCE_STOPPED: { retryable: false, summary: "The source was stopped before it could do this." },
  UNSTALE_SOURCE_STARTED: { retryable: false, summary: "A source can be started only once." },
  UNSTALE_SLICE_TIMEOUT: { retryable: true, summary: "Changes were not applied within the time given to a slice." },
  UNSTALE_EMBEDDED_LISTEN: { retryable: false, summary: "The embedded source could not listen on its address." },
} as const satisfies Record<string, ErrorKind>;

export function consumerError(
  code: keyof typeof consumerErrors,
  message: string,
  options: { cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
): UnstaleError {
  return new UnstaleError(code, consumerErrors[code], message, options);
}

/** One line for a notice or a log: no stack, no secrets of ours. */
export function reasonOf(error: unknown): string {
  if (isUnstaleError(error)) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
