/** What a code means to its reader: whether trying again can help, and one line for docs/errors.md. */
export interface ErrorKind {
  readonly retryable: boolean;
  readonly summary: string;
}

/** Every error that this library throws. docs/errors.md shows the same table (a test compares them). */
export const cacheErrors = {
  UNSTALE_INVALID_ARGUMENT: { retryable: false, summary: "An argument is not what the method takes." },
  UNSTALE_VALKEY_UNAVAILABLE: { retryable: true, summary: "Valkey did not answer in time, or cannot be reached." },
  UNSTALE_VALKEY_REFUSED: {
    retryable: false,
    summary: "Valkey answered with an error that trying again does not mend.",
  },
  UNSTALE_NOT_REPLICATED: {
    retryable: true,
    summary: "Fewer replicas than asked for (`replicaAcks`) acknowledged an invalidation in time.",
  },
  UNSTALE_VALKEY_UNSUPPORTED: { retryable: false, summary: "The server is too old, a replica, or set up unsafely." },
  UNSTALE_FORMAT_TOO_NEW: { retryable: false, summary: "The keys were written by a newer version of unstale." },
  UNSTALE_CONFIG_MISMATCH: {
    retryable: false,
    summary: "This program's settings differ from those of its deployment.",
  },
  UNSTALE_CLOSED: { retryable: false, summary: "The cache was closed." },
} as const satisfies Record<string, ErrorKind>;

const marker = Symbol.for("unstale.error");

/** The one error class of the project. Guard with {@link isUnstaleError}: a program may hold two copies of the library. */
export class UnstaleError extends Error {
  override readonly name = "UnstaleError";
  /** One of the codes of docs/errors.md. */
  readonly code: string;
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retryable: boolean;
  /** Small facts for logs: never secrets, never content. */
  readonly details: Readonly<Record<string, unknown>>;
  readonly [marker] = true;

  constructor(
    code: string,
    kind: ErrorKind,
    message: string,
    options: { cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = kind.retryable;
    this.details = options.details ?? {};
  }
}

export function isUnstaleError(value: unknown): value is UnstaleError {
  return typeof value === "object" && value !== null && (value as { [marker]?: unknown })[marker] === true;
}

/** An error of this library's table. Other rooms build theirs from their own tables with `new UnstaleError`. */
export function cacheError(
  code: keyof typeof cacheErrors,
  message: string,
  options: { cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
): UnstaleError {
  return new UnstaleError(code, cacheErrors[code], message, options);
}

/** For a message: an argument may be anything, also an object that cannot become text. */
export function shown(value: unknown): string {
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  return typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : String(value);
}
