import { cacheErrors, type ErrorKind, UnstaleError } from "@unstale/cache-core";

/** Every error that this room throws. docs/errors.md shows the same table (a test compares them). */
export const workerErrors = {
  UNSTALE_SETTINGS: { retryable: false, summary: "Settings are missing or wrong; all problems are listed." },
  UNSTALE_USAGE: { retryable: false, summary: "The command line is not what the command takes." },
  UNSTALE_HTTP_LISTEN: { retryable: false, summary: "The HTTP server could not listen on its address." },
  UNSTALE_REPLICA_BEHIND: {
    retryable: true,
    summary: "No replica of Valkey acknowledged a write that must not be lost.",
  },
  UNSTALE_DEPLOYMENT_REPLACED: {
    retryable: false,
    summary: "Valkey lost its state and became another deployment's; start the worker again.",
  },
  UNSTALE_NOT_WIDE: {
    retryable: false,
    summary: "A namespace, or everything, was to be invalidated by a topic that may not ask for it.",
  },
  UNSTALE_NOT_FOUND: { retryable: false, summary: "What was asked for is not there." },
  UNSTALE_NOT_APPLIED: { retryable: true, summary: "The event was produced, but no worker applied it in time." },
} as const satisfies Record<string, ErrorKind>;

interface ErrorDetail {
  readonly cause?: unknown;
  readonly details?: Readonly<Record<string, unknown>>;
}

export function workerError(code: keyof typeof workerErrors, message: string, detail: ErrorDetail = {}): UnstaleError {
  return new UnstaleError(code, workerErrors[code], message, detail);
}

/** An error of the library's table that the worker finds first. */
export function unsupported(code: keyof typeof cacheErrors, message: string): UnstaleError {
  return new UnstaleError(code, cacheErrors[code], message);
}

/** One line for a log or a person: code and message, no stack. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
