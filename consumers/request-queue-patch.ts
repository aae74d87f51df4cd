/**
 * kafkajs 2.2.4 keeps a timer of 1 ms per connection alive, because its queue schedules the next check of pending requests
 * with a negative delay, whether or not any are pending (its issues 1556, 1604, 1704, 1751): 4 to 8 times the idle CPU, and
 * a warning on Node 24. The replacement schedules only while something is pending. Safe, since every request that is
 * queued, answered or timed out comes by here again.
 */
interface RequestQueue {
  pending: readonly unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
}

const overloadedDelayMs = 10;

/** `loaded` is the module `kafkajs/src/network/requestQueue`. False when it is not the class that we know. */
export function patchRequestQueue(loaded: unknown): boolean {
  const prototype: unknown = typeof loaded === "function" ? loaded.prototype : undefined;
  if (!isRequestQueue(prototype)) return false;
  prototype.scheduleCheckPendingRequests = function schedule(this: RequestQueue): void {
    if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return;
    const throttledMs = this.throttledUntil - Date.now();
    this.throttleCheckTimeoutId = setTimeout(
      () => {
        this.throttleCheckTimeoutId = null;
        this.checkPendingRequests();
      },
      throttledMs > 0 ? throttledMs : overloadedDelayMs,
    );
  };
  return true;
}

function isRequestQueue(value: unknown): value is RequestQueue {
  if (typeof value !== "object" || value === null) return false;
  const { checkPendingRequests, scheduleCheckPendingRequests } = value as Partial<RequestQueue>;
  return typeof checkPendingRequests === "function" && typeof scheduleCheckPendingRequests === "function";
}
