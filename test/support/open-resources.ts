// What keeps the process alive: timers, sockets, servers, child processes, watchers, requests under way.
import { setTimeout as delay } from "node:timers/promises";

/** How many of each kind, as Node names them: `Timeout`, `TCPSocketWrap`, `ProcessWrap`, … */
export type OpenResources = ReadonlyMap<string, number>;

export function openResources(): OpenResources {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** What there is more of than before, as `2 Timeout, 1 TCPSocketWrap`; empty when nothing was left open. */
export function leftOpen(before: OpenResources, now: OpenResources): string {
  return [...now]
    .flatMap(([kind, count]) => {
      const more = count - (before.get(kind) ?? 0);
      return more > 0 ? [`${more} ${kind}`] : [];
    })
    .join(", ");
}

/**
 * Waits until nothing is open that was not open before: a socket that was told to close is closed some turns of the event
 * loop later. Resolves to what is still open after `patienceMs`, in the words of {@link leftOpen}.
 */
export async function stillOpen(before: OpenResources, patienceMs: number): Promise<string> {
  const deadline = performance.now() + patienceMs;
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    const left = leftOpen(before, openResources());
    if (left === "" || performance.now() > deadline) return left;
    await delay(pause);
  }
}
