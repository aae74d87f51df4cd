import type { Clock } from "@unstale/cache-core";

/** Something that is done again and again, with a pause between, until it is stopped. */
export interface Repeating {
  start(): void;
  /** Resolves when a round under way has ended. Idempotent. */
  stop(): Promise<void>;
}

export interface RepeatingOptions {
  readonly everyMs: number;
  readonly clock: Clock;
  /** Must not reject. */
  readonly work: () => Promise<void>;
}

export function createRepeating({ everyMs, clock, work }: RepeatingOptions): Repeating {
  const stopping = new AbortController();
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await work();
      // Rejects only when it is stopped.
      await clock.sleep(everyMs, stopping.signal).catch(() => undefined);
    }
  }

  return {
    start: () => {
      running ??= run();
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
