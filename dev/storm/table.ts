import type { Verdict } from "./checker.ts";
import { contestants, entryOf, isContestant } from "./contestants/index.ts";
import type { StormReport } from "./storm.ts";

const columns = [
  "",
  "reads",
  "hits",
  "hit ratio",
  "stale at ack + 0",
  "+ 1 s",
  "+ 10 s",
  "latest stale",
  "entries at end",
  "stale at end",
  "refused",
  "edit → unservable p50 / p99",
] as const;

/** The table of the docs: one row for each contestant. */
export function tableOf({ verdicts }: StormReport): readonly (readonly string[])[] {
  return [columns, ...verdicts.map(rowOf)];
}

export function rowOf(verdict: Verdict): readonly string[] {
  const { name, reads, hits, staleAfterMs, latestStaleMs, entriesAtEnd, staleAtEnd, acknowledgedAfterMs } = verdict;
  const own = isContestant(name) && entryOf(name).ownWorker;
  return [
    isContestant(name) ? contestants[name].title : name,
    whole(reads),
    whole(hits),
    percent(hits, reads),
    staleCell(staleAfterMs[0] ?? 0, hits),
    whole(staleAfterMs[1_000] ?? 0),
    whole(staleAfterMs[10_000] ?? 0),
    latestStaleMs === 0 ? "–" : `${(latestStaleMs / 1_000).toFixed(1)} s`,
    whole(entriesAtEnd),
    whole(staleAtEnd),
    own ? whole(refusals(verdict)) : "–",
    `${milliseconds(acknowledgedAfterMs, 0.5)} / ${milliseconds(acknowledgedAfterMs, 0.99)} ms`,
  ];
}

/** Writes that were refused because the answer was overtaken. */
export function refusals({ counts }: Verdict): number {
  return sum(counts, (what) => what.startsWith("refused: "));
}

function sum(counts: Readonly<Record<string, number>>, chosen: (what: string) => boolean): number {
  return Object.entries(counts).reduce((total, [what, times]) => total + (chosen(what) ? times : 0), 0);
}

function staleCell(stale: number, hits: number): string {
  return stale === 0 ? "0" : `${whole(stale)} (${percent(stale, hits)})`;
}

function percent(part: number, of: number): string {
  return of === 0 ? "–" : `${((100 * part) / of).toFixed(1)} %`;
}

function whole(value: number): string {
  return value.toLocaleString("en-US");
}

function milliseconds(ascending: readonly number[], share: number): string {
  const value = ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))];
  return value === undefined ? "–" : value.toFixed(value < 10 ? 1 : 0);
}

/** Columns under each other, for a terminal. */
export function plain(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  ");
  return rows.map(line).join("\n");
}

export function markdown(rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const [head = [], ...body] = rows;
  const rule = head.map((_, at) => (at === 0 ? "---" : "---:"));
  return [line(head), line(rule), ...body.map(line)].join("\n");
}
