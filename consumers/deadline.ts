import type { Clock } from "@unstale/cache-core";

/** The result, or `late` when it took longer than `ms`. A rejection after that is nobody's any more. */
export async function within<T, L>(work: Promise<T>, ms: number, late: L, clock: Clock): Promise<T | L> {
  const timer = new AbortController();
  work.catch(() => {});
  try {
    return await Promise.race([work, clock.sleep(ms, timer.signal).then(() => late)]);
  } finally {
    timer.abort();
  }
}
