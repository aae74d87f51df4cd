import { type CacheStore, type Clock, inEveryBucket, isUnstaleError } from "@unstale/cache-core";
import type { PartitionOffset } from "../../consumers/index.ts";
import { workerError } from "../errors.ts";

export interface AwaitAppliedOptions {
  readonly store: Pick<CacheStore, "heartbeat">;
  readonly buckets: number;
  /** Offsets of events: each must be applied. */
  readonly sent: readonly PartitionOffset[];
  readonly timeoutMs: number;
  readonly clock: Clock;
}

const pollMs = 50;

/**
 * Waits until Valkey says that the workers have applied the events.
 * @throws UnstaleError `UNSTALE_NOT_APPLIED` after the timeout, or what the store throws
 */
export async function awaitApplied({ store, buckets, sent, timeoutMs, clock }: AwaitAppliedOptions): Promise<void> {
  const deadline = clock.now() + timeoutMs;
  for (;;) {
    const late = clock.now() >= deadline;
    const waiting = await notApplied(store, buckets, sent).catch((error: unknown) => {
      // The event is on its way whether Valkey answers us or not.
      if (late || !isUnstaleError(error) || !error.retryable) throw error;
      return sent;
    });
    const first = waiting[0];
    if (first === undefined) return;
    if (late) {
      throw workerError(
        "UNSTALE_NOT_APPLIED",
        `The event is on ${first.topic}/${first.partition} at offset ${first.offset}, but no worker applied it within ` +
          `${timeoutMs / 1_000} s. It will be as soon as one runs: start "unstale run", or see "unstale doctor". ` +
          "--direct does without.",
      );
    }
    await clock.sleep(pollMs);
  }
}

async function notApplied(
  store: Pick<CacheStore, "heartbeat">,
  buckets: number,
  sent: readonly PartitionOffset[],
): Promise<readonly PartitionOffset[]> {
  const replies = await inEveryBucket(buckets, (bucket) => store.heartbeat({ bucket, partitions: sent }));
  return sent.filter(({ offset }, index) =>
    replies.some((reply) => reply.kind !== "alive" || (reply.applied[index] ?? -1) <= Number(offset)),
  );
}
