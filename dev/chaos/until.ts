import { setTimeout as delay } from "node:timers/promises";
import { RowFailure } from "./row.ts";

/** Asks again until it holds; what rejects does not hold yet. Throws with `what` after `timeoutMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 45_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      if (await condition()) return;
    } catch (error) {
      if (error instanceof RowFailure) throw error;
      last = error;
    }
    if (Date.now() > deadline) {
      const because = last instanceof Error ? ` (${last.message})` : "";
      throw new RowFailure(`not within ${timeoutMs / 1_000} s: ${what}${because}`);
    }
    await delay(20);
  }
}
