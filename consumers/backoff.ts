/** Between `0` and `1`, as `Math.random`. Injected so that tests know the outcome. */
export type Random = () => number;

export interface BackoffPolicy {
  /** Upper bound of the first wait, in milliseconds. Doubles with each attempt. */
  readonly baseMs: number;
  readonly maxMs: number;
}

/** Full jitter: a wait between 0 and the doubled bound, so that workers that failed together do not return together. */
export function backoffMs(attempt: number, policy: BackoffPolicy, random: Random): number {
  const bound = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(Math.max(attempt, 1) - 1, 30));
  return Math.ceil(random() * bound);
}
