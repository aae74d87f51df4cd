import { isUnstaleError, UnstaleError } from "./errors.ts";
import type { Bucket } from "./store.ts";

export type BucketOutcome<T> =
  | { readonly kind: "done"; readonly value: T }
  /** Names its bucket, where there are several. */
  | { readonly kind: "failed"; readonly error: unknown };

/**
 * A step in each bucket, side by side. One that fails keeps no other from its end, and nothing is under way any more when
 * this resolves; outcomes are in the order of the buckets.
 */
export async function tryEveryBucket<T>(
  buckets: number,
  step: (bucket: Bucket) => Promise<T>,
): Promise<readonly BucketOutcome<T>[]> {
  const outcomes = await Promise.allSettled(Array.from({ length: buckets }, (_, bucket) => step(bucket)));
  return outcomes.map((outcome, bucket) =>
    outcome.status === "fulfilled"
      ? { kind: "done", value: outcome.value }
      : { kind: "failed", error: buckets === 1 ? outcome.reason : inBucket(bucket, outcome.reason) },
  );
}

/** The same where all must succeed: rejects with the first failure, once all have ended. */
export async function inEveryBucket<T>(buckets: number, step: (bucket: Bucket) => Promise<T>): Promise<T[]> {
  const outcomes = await tryEveryBucket(buckets, step);
  return outcomes.map((outcome) => {
    if (outcome.kind === "failed") throw outcome.error;
    return outcome.value;
  });
}

function inBucket(bucket: Bucket, error: unknown): unknown {
  if (!isUnstaleError(error)) return error;
  const { code, retryable, message, details } = error;
  return new UnstaleError(code, { retryable, summary: "" }, `Bucket ${bucket}: ${message}`, {
    cause: error,
    details: { ...details, bucket },
  });
}
