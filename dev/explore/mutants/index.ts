import { demandProgramMutants, demandScriptMutants } from "./demands.ts";
import type { Mutant } from "./mutant.ts";
import { programMutants as ofPrograms } from "./programs.ts";
import type { Verdict } from "./run.ts";
import { scriptMutants as ofScripts } from "./scripts.ts";

export type { Mutant } from "./mutant.ts";
export { convicted, tryMutant, type Verdict } from "./run.ts";

export const programMutants: readonly Mutant[] = [...ofPrograms, ...demandProgramMutants];
export const scriptMutants: readonly Mutant[] = [...ofScripts, ...demandScriptMutants];
export const mutants: readonly Mutant[] = [...programMutants, ...scriptMutants];

/** For docs/guarantees.md. */
export function proofTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ mutant, failure }) => {
    const moves = abridged(failure?.trace ?? []);
    return `| ${mutant.name} | ${mutant.hole ?? ""} | ${failure?.violation.promise ?? "none"} | ${failure?.trace.length ?? ""} | ${moves} |`;
  });
  return ["| mistake | hole | seen as | moves | trace |", "|---|---|---|---|---|", ...rows].join("\n");
}

/** Moves that are made again and again are told once. */
function abridged(trace: readonly string[]): string {
  const runs: { label: string; times: number }[] = [];
  for (const label of trace) {
    const last = runs.at(-1);
    if (last?.label === label) last.times += 1;
    else runs.push({ label, times: 1 });
  }
  return runs.map(({ label, times }) => (times === 1 ? `\`${label}\`` : `\`${label}\` ×${times}`)).join(", ");
}
