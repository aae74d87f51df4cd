import { randomOf } from "../random.ts";
import { Coverage } from "./coverage.ts";
import { Engine } from "./engine.ts";
import type { Machine, MachineOptions } from "./machine.ts";
import { type Failure, type Findings, type Limits, searchAll } from "./search.ts";
import { shorten, walk } from "./walk.ts";
import type { World } from "./world.ts";

export type MakeMachine = (options: MachineOptions) => Promise<Machine>;

export interface Report {
  readonly world: string;
  readonly states: number;
  readonly moves: number;
  readonly interleavings: number;
  readonly complete: boolean;
  readonly milliseconds: number;
  readonly coverage: Coverage;
  readonly failure?: Failure;
  /** Of the walk that failed. */
  readonly seed?: number;
}

/** Explores a small world whole. */
export async function exploreAll(world: World, make: MakeMachine, limits: Limits = {}): Promise<Report> {
  const began = Date.now();
  const engine = new Engine(world, await make(world.machine));
  const findings: Findings = await searchAll(engine, limits);
  // The depth-first trace of a failure is long.
  const failure = findings.failure && (await shorten(engine, findings.failure));
  await engine.machine.close();
  const { states, interleavings, complete } = findings;
  const report = { world: world.name, states, interleavings, complete, coverage: engine.coverage };
  const counted = { ...report, moves: engine.steps, milliseconds: Date.now() - began };
  return failure ? { ...counted, failure } : counted;
}

export interface WalkLimits {
  readonly seed: number;
  readonly walks?: number;
  readonly milliseconds?: number;
}

/** Walks through a large world again and again; walk `n` of seed `s` is walk 0 of seed `s + n`. */
export async function exploreWalks(world: World, make: MakeMachine, limits: WalkLimits): Promise<Report> {
  const { walks = Number.POSITIVE_INFINITY, milliseconds = Number.POSITIVE_INFINITY } = limits;
  const began = Date.now();
  const engine = new Engine(world, await make(world.machine));
  const elapsed = (): number => Date.now() - began;
  let done = 0;
  let failure: Failure | undefined;
  for (; !failure && done < walks && elapsed() < milliseconds; done += 1) {
    failure = await walk(engine, randomOf(limits.seed + done));
  }
  const shortened = failure && (await shorten(engine, failure));
  await engine.machine.close();
  const report = {
    world: world.name,
    states: 0,
    moves: engine.steps,
    interleavings: done,
    complete: true,
    milliseconds: elapsed(),
    coverage: engine.coverage,
  };
  return shortened ? { ...report, failure: shortened, seed: limits.seed + done - 1 } : report;
}

/** What a failure says, and how to see it again. */
export function describeFailure({ world, failure, seed }: Report): string {
  if (!failure) return "";
  const trace = failure.trace.join(",");
  return [
    `World "${world}"${seed === undefined ? "" : ` (seed ${seed})`}: ${failure.violation.message}`,
    ...failure.trace.map((label, index) => `  ${String(index + 1).padStart(2)} ${label}`),
    `Again: npm run explore -- --world "${world}" --trace "${trace}"`,
  ].join("\n");
}

export function tableOf(reports: readonly Report[]): string {
  const row = (cells: readonly (string | number)[]): string =>
    `${String(cells[0]).padEnd(28)}${cells
      .slice(1)
      .map((cell) => String(cell).padStart(14))
      .join("")}`;
  const lines = reports.map(({ world, states, moves, interleavings, complete, milliseconds }) =>
    row([world, states || "", moves, complete ? short(interleavings) : "(not whole)", milliseconds]),
  );
  return [row(["world", "states", "moves", "interleavings", "ms"]), ...lines].join("\n");
}

function short(count: number): string {
  return count < 1e7 ? String(count) : count.toExponential(1);
}

export function mergedCoverage(reports: readonly Report[]): Coverage {
  const all = new Coverage();
  for (const { coverage } of reports) all.merge(coverage);
  return all;
}
