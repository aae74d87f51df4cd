import type { Clock } from "@unstale/cache-core";
import { reactionTo } from "./failure.ts";

export interface Heartbeats {
  /** The group went on without us: take no new slice, commit, and throw this to kafkajs, which rejoins. */
  readonly lost: unknown;
  stop(): void;
}

/**
 * kafkajs beats only between batches, and a batch may take as long as its handlers. Other errors than a rebalance are
 * kafkajs' own business: it meets them again in its next request.
 */
export function startHeartbeats(options: {
  readonly beat: () => Promise<void>;
  readonly everyMs: number;
  readonly clock: Clock;
}): Heartbeats {
  const stopped = new AbortController();
  const state: { lost: unknown } = { lost: undefined };
  const loop = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await options.clock.sleep(options.everyMs, stopped.signal);
      await options.beat().catch((error: unknown) => {
        if (reactionTo(error) === "rejoin") state.lost ??= error;
      });
    }
  };
  // Ends with the rejection of the sleep that `stop` cuts short.
  loop().catch(() => {});
  return {
    get lost() {
      return state.lost;
    },
    stop: () => stopped.abort(),
  };
}
