import { Engine } from "../engine.ts";
import type { Machine, MachineOptions } from "../machine.ts";
import { type Failure, type Limits, searchShortest } from "../search.ts";
import { type Mutant, patchOf } from "./mutant.ts";

export interface Verdict {
  readonly mutant: Mutant;
  readonly failure: Failure | undefined;
  readonly moves: number;
  /** Some script had the text to be changed, or there was none to be changed. */
  readonly planted: boolean;
}

export type MakeMachine = (options: MachineOptions & { patch?: (script: string) => string }) => Promise<Machine>;

/** Looks for the shortest trace that convicts. */
export async function tryMutant(mutant: Mutant, make: MakeMachine, limits: Limits): Promise<Verdict> {
  let planted = mutant.patch === undefined;
  const change = patchOf(mutant);
  const patch = (script: string): string => {
    const changed = change(script);
    planted ||= changed !== script;
    return changed;
  };
  const machine = await make({ ...mutant.world.machine, ...(mutant.patch ? { patch } : {}) });
  const { failure, moves } = await searchShortest(new Engine(mutant.world, machine), limits);
  await machine.close();
  return { mutant, failure, moves, planted };
}

export function convicted({ mutant, failure, planted }: Verdict): boolean {
  return planted && failure !== undefined && mutant.breaks.includes(failure.violation.promise);
}
