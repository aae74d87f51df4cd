import { setTimeout as pause } from "node:timers/promises";
import { isUnstaleError } from "./errors.ts";

export interface StepThroughMove<T> {
  readonly step: () => Promise<T>;
  /** What can be done while the keys are at two ends; it may run more than once. */
  readonly atOnce: () => Promise<void>;
  /** How long to wait for the end of the move, in ms. */
  readonly timeoutMs: number;
}

const everyMs = 50;

/**
 * A step on many keys of a slot that may be moving to another server. Valkey lets it in when all of its keys are at one end
 * (H13: a script would otherwise take a set that has left for an empty one), so it waits; what needs no waiting is done first.
 */
export async function throughMove<T>({ step, atOnce, timeoutMs }: StepThroughMove<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!isMoving(error)) throw error;
  }
  const until = performance.now() + timeoutMs;
  await atOnce();
  for (;;) {
    await pause(everyMs);
    try {
      return await step();
    } catch (error) {
      if (!isMoving(error) || performance.now() >= until) throw error;
    }
  }
}

/** The keys of a slot that moves are at two ends. */
export function isMoving(error: unknown): boolean {
  return isUnstaleError(error) && error.details.reply === "TRYAGAIN";
}
