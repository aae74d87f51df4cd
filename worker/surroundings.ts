import type { Clock } from "@unstale/cache-core";
import type { DestinationStream } from "pino";
import type { SignalSource } from "./shutdown.ts";

/** The process as commands see it, so that they can be run without one. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** To standard output. */
  readonly print: (text: string) => void;
  /** To standard error. */
  readonly complain: (text: string) => void;
  readonly isTerminal: boolean;
  /** Reads a whole file as UTF-8; throws when it cannot. */
  readonly readFile: (path: string) => string;
  readonly signals: SignalSource;
  /** Where log lines go; must survive a reader that goes away. */
  readonly logDestination: () => DestinationStream & { flushSync(): void };
  /** Ends the process at once. */
  readonly exit: (code: number) => void;
  readonly clock: Clock;
}
