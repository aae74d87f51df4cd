import { expect, test } from "@jest/globals";
import type { Verdict } from "../../../dev/storm/checker.ts";
import { problemsOf } from "../../../dev/storm/judgement.ts";
import type { StormReport } from "../../../dev/storm/storm.ts";
import { tableOf } from "../../../dev/storm/table.ts";

function verdict(name: string, other: Partial<Verdict> = {}): Verdict {
  return {
    name,
    reads: 1_000,
    hits: 500,
    staleAfterMs: { 0: 0, 1000: 0, 10000: 0 },
    latestStaleMs: 0,
    entriesAtEnd: 40,
    staleAtEnd: 0,
    mixedUp: 0,
    unacknowledged: 0,
    acknowledgedAfterMs: [3, 4, 5],
    counts: { "refused: changed": 7, "refused: version": 2, "warning: store-error": 1 },
    examples: [],
    ...other,
  };
}

function report(...verdicts: readonly Verdict[]): StormReport {
  const options = { variant: "usual", seconds: 1, seed: 1, brokers: [], dist: "", progress: () => {} } as const;
  return { options, edits: 10, verdicts, evictions: {}, losses: {}, foreign: {} };
}

const convicted = verdict("mistaken", { staleAfterMs: { 0: 3, 1000: 0, 10000: 0 } });

test("a storm is good when we served nothing stale, and the version of us that is wrong did", () => {
  expect(problemsOf(report(verdict("unstale"), verdict("plain", { staleAtEnd: 9 }), convicted))).toEqual([]);
});

test.each<readonly [string, Partial<Verdict>]>([
  ["a stale answer", { staleAfterMs: { 0: 1, 1000: 0, 10000: 0 } }],
  ["a stale entry at the end", { staleAtEnd: 1 }],
  ["an answer to another question", { mixedUp: 1 }],
  ["a change that was never acknowledged", { unacknowledged: 1 }],
  ["no hit at all", { hits: 0 }],
  ["no write that was overtaken", { counts: {} }],
  ["a call that failed", { counts: { "refused: changed": 1, "failed: TypeError": 1 } }],
])("%s of ours is a problem", (_, flaw) => {
  expect(problemsOf(report(verdict("unstale", flaw), convicted))).toHaveLength(1);
});

test("a judge that does not convict the version of us that is wrong proves nothing", () => {
  expect(problemsOf(report(verdict("unstale"), verdict("mistaken")))).toHaveLength(1);
});

test("the table has a row for each contestant, with its refused writes where it refuses any", () => {
  const [head, ours, plain] = tableOf(report(verdict("unstale"), verdict("plain", { staleAtEnd: 2 })));
  expect(head).toHaveLength(ours?.length ?? 0);
  expect(ours).toEqual(expect.arrayContaining(["unstale", "50.0 %", "9", "4.0 / 5.0 ms"]));
  expect(plain).toEqual(expect.arrayContaining(["2", "–"]));
});
