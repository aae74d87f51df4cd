import type { Clock } from "@unstale/cache-core";
import type { Pulse } from "./pulse.ts";

export interface RoomRequest {
  /** Beats whenever `crowded` or `open` may have changed. */
  readonly pulse: Pulse;
  readonly crowded: () => boolean;
  readonly open: () => boolean;
  readonly clock: Clock;
  readonly waitMs: number;
}

/**
 * Resolves as soon as there is room, the wait is pointless, or `waitMs` are over. A short wait is cheaper than a pause:
 * after a pause, Kafka's records are fetched a second time.
 */
export async function waitForRoom({ pulse, crowded, open, clock, waitMs }: RoomRequest): Promise<void> {
  if (!crowded()) return;
  const timer = new AbortController();
  let patient = true;
  const tire = (): void => {
    patient = false;
    pulse.beat();
  };
  clock.sleep(waitMs, timer.signal).then(tire, () => {});
  await pulse.until(() => !patient || !open() || !crowded());
  timer.abort();
}
