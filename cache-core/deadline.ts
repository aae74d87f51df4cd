import type { Clock } from "./clock.ts";
import { cacheError } from "./errors.ts";

/**
 * What `work` resolves to, unless it takes longer than `ms`: then rejects with `UNSTALE_VALKEY_UNAVAILABLE`. The work is
 * not undone: its outcome is unknown, and nobody waits for it any more.
 */
export async function within<T>(options: { clock: Clock; ms: number; work: () => Promise<T> }): Promise<T> {
  const { clock, ms, work } = options;
  const timer = new AbortController();
  try {
    return await Promise.race([work(), clock.sleep(ms, timer.signal).then(() => late(ms))]);
  } finally {
    timer.abort();
  }
}

function late(ms: number): never {
  throw cacheError("UNSTALE_VALKEY_UNAVAILABLE", `Valkey did not answer within ${ms} ms.`);
}
