import type { Clock } from "@unstale/cache-core";
import type { Logger } from "./logger.ts";

/** Where signals come from: `process`, or an emitter in tests. */
export interface SignalSource {
  on(signal: "SIGTERM" | "SIGINT", listener: () => void): unknown;
  off(signal: "SIGTERM" | "SIGINT", listener: () => void): unknown;
}

export interface ShutdownOptions {
  readonly signals: SignalSource;
  /** Ends everything in order. */
  readonly stop: (reason: string) => Promise<void>;
  /** The process ends after this time, come what may. */
  readonly boundMs: number;
  /** Ends the process. */
  readonly exit: (code: number) => void;
  readonly clock: Clock;
  readonly log: Pick<Logger, "info" | "error" | "warn">;
}

/** What a shell says of a process that a signal ended. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * The first signal ends the worker in order; one that takes too long ends with 1. A second signal ends it at once. What is
 * not committed by then is delivered to another worker. Returns a function that takes the listeners away.
 */
export function stopOnSignals({ signals, stop, boundMs, exit, clock, log }: ShutdownOptions): () => void {
  let stopping = false;
  const over = new AbortController();

  const begin = (signal: keyof typeof exitCodes): void => {
    if (stopping) {
      log.warn({ signal }, "second signal; ending at once");
      exit(exitCodes[signal]);
      return;
    }
    stopping = true;
    log.info({ signal, withinMs: boundMs }, "stopping");
    clock.sleep(boundMs, over.signal).then(
      () => {
        log.error({ boundMs }, "stopping took too long; ending at once");
        exit(1);
      },
      () => undefined,
    );
    stop(signal).finally(() => over.abort());
  };
  const listeners = { SIGTERM: () => begin("SIGTERM"), SIGINT: () => begin("SIGINT") };
  signals.on("SIGTERM", listeners.SIGTERM);
  signals.on("SIGINT", listeners.SIGINT);
  return () => {
    signals.off("SIGTERM", listeners.SIGTERM);
    signals.off("SIGINT", listeners.SIGINT);
    over.abort();
  };
}
