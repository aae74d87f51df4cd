import { isUnstaleError } from "@unstale/cache-core";

/** What a slice that could not be applied waits for. Nothing is ever dropped: each kind only differs in patience. */
export interface RetryDelay {
  readonly afterMs: number;
  /** How loudly to say it. */
  readonly level: "warn" | "error";
}

interface Patience {
  readonly baseMs: number;
  readonly maxMs: number;
  readonly level: RetryDelay["level"];
}

/** An outage ends by itself, so it is probed often; for the others somebody has to do something. */
export const patience: Readonly<Record<"outage" | "refusal" | "bug", Patience>> = {
  outage: { baseMs: 200, maxMs: 5_000, level: "warn" },
  refusal: { baseMs: 1_000, maxMs: 30_000, level: "error" },
  bug: { baseMs: 1_000, maxMs: 30_000, level: "error" },
};

/** `attempt` counts from 1 since the last success; `random` is as `Math.random`. Half of the wait is jitter. */
export function retryDelay(error: unknown, attempt: number, random: () => number): RetryDelay {
  const kind = isUnstaleError(error) ? (error.retryable ? "outage" : "refusal") : "bug";
  const { baseMs, maxMs, level } = patience[kind];
  const bound = Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 20));
  return { afterMs: Math.ceil(bound / 2 + (random() * bound) / 2), level };
}
