import type { Clock } from "@unstale/cache-core";
import type { ChangeHandlers, Slice, SliceOutcome } from "./change-source.ts";
import type { DeadLetters } from "./dead-letter.ts";
import { consumerError } from "./errors.ts";
import type { CutSlice } from "./slices.ts";

export interface SliceAttempt {
  readonly slice: Slice;
  readonly cut: CutSlice;
  /** Behind `slice.signal`. */
  readonly abort: AbortController;
  readonly handlers: ChangeHandlers;
  readonly deadLetters: DeadLetters;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/**
 * Hands one slice over, within its time. Resolves to what became of it; rejects with the handler's error, with that of the
 * dead letters, or with the signal's reason, whichever comes first. A handler that ignores its signal is left behind: the
 * slice is delivered again beside it, which only widens (I6).
 */
export async function attemptSlice(attempt: SliceAttempt): Promise<SliceOutcome> {
  const { slice, abort, timeoutMs, clock } = attempt;
  const timer = new AbortController();
  const late = clock.sleep(timeoutMs, timer.signal).then(() => {
    const range = `Offsets ${slice.first} to ${slice.next} of ${slice.topic}/${slice.partition}`;
    abort.abort(consumerError("UNSTALE_SLICE_TIMEOUT", `${range} were not applied within ${timeoutMs} ms.`));
  });
  late.catch(() => {});
  const handled = handle(attempt);
  try {
    return await Promise.race([handled, rejectionOf(abort.signal)]);
  } catch (error) {
    // Whatever the one that was left behind still says.
    handled.catch(() => {});
    throw error;
  } finally {
    timer.abort();
  }
}

/**
 * Dead letters after the changes: while the store is down for an hour, each attempt would repeat the letters. Both come
 * before the offset moves on.
 */
async function handle({ slice, cut, handlers, deadLetters }: SliceAttempt): Promise<SliceOutcome> {
  const outcome = await handlers.onSlice(slice);
  if (outcome.kind !== "applied") return outcome;
  // It may reject while the letters are on their way, or after nobody waits for it.
  outcome.settled.catch(() => {});
  if (cut.failures.length === 0) return outcome;
  await deadLetters.publish(cut.failures);
  const partition = { topic: slice.topic, partition: slice.partition };
  for (const { record, reason, detail } of cut.failures) {
    handlers.onNotice({ kind: "dead-letter", partition, offset: record.offset, reason, detail });
  }
  return outcome;
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
