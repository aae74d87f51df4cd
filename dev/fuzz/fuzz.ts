import { randomOf } from "../random.ts";
import { chanceOf } from "./generate.ts";
import type { Target } from "./targets.ts";

export interface FuzzOptions {
  readonly targets: readonly { readonly target: Target; readonly inputs: number }[];
  readonly seed: number;
}

export interface FuzzFailure {
  readonly target: string;
  readonly seed: number;
  /** Counts from 0; the seed and it give the same input again. */
  readonly index: number;
  readonly input: Buffer;
  readonly reason: string;
}

export interface FuzzReport {
  /** For each target how often each outcome came; each input has one. */
  readonly outcomes: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly failure?: FuzzFailure;
}

/** No input may be worked on for longer: that is as good as a hang. */
const patienceMs = 5_000;

/** Plays until all inputs were played, or one fails. */
export async function fuzz({ targets, seed }: FuzzOptions): Promise<FuzzReport> {
  const outcomes = new Map<string, Map<string, number>>();
  for (const { target, inputs } of targets) {
    const counts = new Map<string, number>();
    outcomes.set(target.name, counts);
    const chance = chanceOf(randomOf(seed));
    for (let index = 0; index < inputs; index++) {
      const input = target.make(chance);
      const { outcome, reason } = await playOne(target, input);
      if (reason !== undefined) return { outcomes, failure: { target: target.name, seed, index, input, reason } };
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    }
  }
  return { outcomes };
}

/** `reason` where it failed. */
async function playOne(target: Target, input: Buffer): Promise<{ readonly outcome: string; readonly reason?: string }> {
  const began = performance.now();
  try {
    const played = target.play(input);
    const outcome = typeof played === "string" ? played : await played;
    const tookMs = performance.now() - began;
    return tookMs > patienceMs ? { outcome, reason: `took ${Math.round(tookMs)} ms` } : { outcome };
  } catch (error) {
    return { outcome: "failed", reason: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
