import { randomUUID } from "node:crypto";
import type { Clock } from "./clock.ts";
import type { Deadline } from "./deadline.ts";
import type { CacheStore, Scope } from "./store.ts";

export interface FillLockOptions {
  readonly store: CacheStore;
  readonly clock: Clock;
  /** How long the lock outlives a holder that died, in ms. */
  readonly ttlMs: number;
  /** How long asking for it may take. */
  readonly deadline: Deadline;
  /** Told of errors: the lock only saves work, so they are no reason to fail. */
  readonly onError: (error: unknown) => void;
}

export interface HeldLock {
  /** Gives the lock back; resolves when that is done or cannot be done. Idempotent. */
  release(): Promise<void>;
}

/**
 * The right to fill one entry, among all processes. `"taken"`: somebody else fills. `"unknown"`: the store does not answer,
 * so there is nobody to agree with; or its keys are of a newer format, and the commit will be refused for that.
 *
 * The lock is renewed every third of its TTL. A holder that stalls for longer loses it, and two fill: that costs a fill
 * and nothing else, since each commit is judged by its own lease.
 */
export async function acquireFillLock(
  entry: { readonly scope: Scope; readonly query: string },
  options: FillLockOptions,
): Promise<HeldLock | "taken" | "unknown"> {
  const { store, clock, ttlMs, deadline, onError } = options;
  const request = { ...entry.scope, query: entry.query, token: randomUUID(), ttlMs };
  try {
    const { kind } = await deadline.bound(() => store.acquireFill(request));
    if (kind !== "held") return kind === "taken" ? "taken" : "unknown";
  } catch (error) {
    onError(error);
    return "unknown";
  }

  const over = new AbortController();
  const renewing = renew();

  async function renew(): Promise<void> {
    while (!over.signal.aborted) {
      try {
        await clock.sleep(ttlMs / 3, over.signal);
        const { kind } = await store.renewFill(request);
        if (kind !== "held") return;
      } catch (error) {
        if (!over.signal.aborted) onError(error);
      }
    }
  }

  return {
    release: async () => {
      over.abort();
      await renewing;
      try {
        await deadline.bound(() => store.releaseFill(request));
      } catch (error) {
        onError(error);
      }
    },
  };
}
