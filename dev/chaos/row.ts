import type { Stage } from "./stage.ts";
import type { StageOptions } from "./stage-options.ts";

/** One fault and what must hold all the same. Declarative but for `play`, which makes the fault at its moment. */
export interface Row {
  /** Also its name on the command line: `npm run chaos -- worker-killed-mid-batch`. */
  readonly name: string;
  /** What is done to whom, in a user's words. */
  readonly fault: string;
  /** What must hold, in a user's words. */
  readonly expected: string;
  /** What it is played on. */
  readonly stage?: StageOptions;
  /** Whether everything may, must or must not be invalidated as a whole. Default: must not. */
  readonly barriers?: "none" | "some" | "any";
  /** Whether an event may be applied more than once. Default: it may. */
  readonly duplicates?: "none";
  /**
   * Whether Valkey may forget what it knew (its state, or all). Then an event is proved by what is served, and not by the
   * fence that it left.
   */
  readonly forgets?: boolean;
  /** How many events must be found to be lost. Default 0; anything else is a proof that a loss would be found. */
  readonly lost?: number;
  /** Runs under load, with all workers ready; calls `stage.over()` when the fault is over. A throw is a failed row. */
  readonly play: (stage: Stage) => Promise<void>;
}

/** What a row came to. */
export interface Outcome {
  readonly row: string;
  /** Events in the ledger, and those of them that an entry depended on. */
  readonly events: number;
  readonly dependents: number;
  /** Events whose dependents are served, or that were never applied. */
  readonly lost: number;
  /** Applications of an event beyond its first. */
  readonly duplicates: number;
  /** From the end of the fault until everything that was in the log by then was committed. */
  readonly recoveryMs: number | undefined;
  /** Longest time from an event's acknowledgement by Kafka until it was applied. */
  readonly stalestMs: number | undefined;
  readonly seconds: number;
  readonly problems: readonly string[];
}

/** For a condition of a row that does not hold. */
export class RowFailure extends Error {
  override readonly name = "RowFailure";
}

export function expectThat(condition: boolean, otherwise: string): void {
  if (!condition) throw new RowFailure(otherwise);
}
