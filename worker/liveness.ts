import type { Check } from "./health.ts";

/** Whether the process itself goes on, whatever Kafka and Valkey do. */
export interface Liveness {
  /** The worker's own round (the heartbeat) has begun, or come to an end; it does so about once a second. */
  turn(): void;
  /** Rounds are over: the worker ends in order. */
  rest(): void;
  checks(): readonly Check[];
}

export interface LivenessOptions {
  /** Milliseconds of a clock that nobody sets: a jump of the time of day must not kill a worker. */
  readonly now: () => number;
}

/** A round ends within its time limits, also when Valkey hangs: what takes longer has lost a promise, or the loop stood still. */
export const stuckAfterMs = 60_000;

export function createLiveness({ now }: LivenessOptions): Liveness {
  let last: number | undefined;
  let longestMs = 0;
  return {
    turn: () => {
      const at = now();
      if (last !== undefined) longestMs = Math.max(longestMs, at - last);
      last = at;
    },
    rest: () => {
      last = undefined;
    },
    checks: () => {
      // That this is asked and answered is the proof.
      const loop = { name: "event-loop", ok: true, reason: "it answers" };
      if (last === undefined) return [loop, { name: "rounds", ok: true, reason: "none is due" }];
      const sinceMs = now() - last;
      const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
      const reason =
        sinceMs < stuckAfterMs
          ? `the last one ${seconds(sinceMs)} ago, never longer than ${seconds(Math.max(longestMs, sinceMs))} apart`
          : `none has ended for ${seconds(sinceMs)}, more than ${seconds(stuckAfterMs)}: the process is stuck`;
      return [loop, { name: "rounds", ok: sinceMs < stuckAfterMs, reason }];
    },
  };
}
