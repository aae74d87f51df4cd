import type { Verdict } from "./checker.ts";
import type { StormReport } from "./storm.ts";
import { refusals } from "./table.ts";

/** What is wrong with a storm: a promise that we broke, or a storm that could not have shown it. */
export function problemsOf({ verdicts, options }: StormReport): readonly string[] {
  return verdicts.flatMap((verdict) => {
    if (verdict.name === "unstale") return ownProblems(verdict).map((problem) => `${options.variant}: ${problem}`);
    if (verdict.name === "mistaken" && stale(verdict) === 0) {
      return [`${options.variant}: the version of us that is wrong was not convicted, so this storm proves nothing.`];
    }
    return [];
  });
}

function ownProblems(verdict: Verdict): readonly string[] {
  const problems: string[] = [];
  if (stale(verdict) > 0) problems.push(`${stale(verdict)} stale answers were served.`);
  for (const { because, lateMs, read } of verdict.examples) {
    problems.push(`${read.query}, asked ${lateMs.toFixed(1)} ms after the acknowledgement: ${because}.`);
  }
  if (verdict.mixedUp > 0) problems.push(`${verdict.mixedUp} answers were to another question.`);
  if (verdict.unacknowledged > 0) problems.push(`${verdict.unacknowledged} changes were never acknowledged.`);
  if (verdict.hits === 0) problems.push("nothing was ever served from the cache.");
  if (refusals(verdict) === 0)
    problems.push("no write was ever overtaken by a change, so nothing was put to the test.");
  const failed = Object.keys(verdict.counts).filter((what) => what.startsWith("failed: "));
  for (const what of failed) problems.push(`${verdict.counts[what]} calls ${what}.`);
  return problems;
}

function stale(verdict: Verdict): number {
  return (verdict.staleAfterMs[0] ?? 0) + verdict.staleAtEnd;
}
