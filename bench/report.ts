import { readFile, writeFile } from "node:fs/promises";
import type { Bench } from "./bench.ts";
import type { Spread } from "./rounds.ts";

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** How it was measured, and what it means. */
  readonly notes?: readonly string[];
}

/** `12.3 k`: three digits that count. */
export function amount(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value >= 1e6) return `${digits(value / 1e6)} M`;
  return value >= 10_000 ? `${digits(value / 1e3)} k` : digits(value);
}

function digits(value: number): string {
  const before = Math.max(0, Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toFixed(Math.max(0, 2 - before));
}

/** `1.12 (1.05–1.20)`: the median, and all that was seen. */
export function spread({ median, low, high }: Spread, unit = ""): string {
  const ends = low === high ? "" : ` (${amount(low)}–${amount(high)})`;
  return `${amount(median)}${unit}${ends}`;
}

/** A share as `93 % (90–97)`. */
export function share({ median, low, high }: Spread): string {
  const percent = (value: number): string => (value * 100).toFixed(0);
  const ends = low === high ? "" : ` (${percent(low)}–${percent(high)})`;
  return `${percent(median)} %${ends}`;
}

export function markdown(table: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = table.columns.map((_, index) => (index === 0 ? "---" : "---:"));
  const body = [line(table.columns), line(rule), ...table.rows.map(line)].join("\n");
  const notes = (table.notes ?? []).map((note) => `- ${note}`).join("\n");
  return [`### ${table.title}`, body, notes].filter((part) => part !== "").join("\n\n");
}

/** Columns under each other, for a terminal. */
export function plain(table: Table): string {
  const all = [table.columns, ...table.rows];
  const widths = table.columns.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  ");
  return [`\n${table.title}`, ...all.map(line), ...(table.notes ?? []).map((note) => `  ${note}`)].join("\n");
}

export interface Measured {
  readonly bench: Bench;
  readonly tables: readonly Table[];
  readonly seconds: number;
  /** Programs that wanted a core while it ran, itself included: the load average at its end. */
  readonly load: number;
}

export interface Page {
  readonly file: string;
  /** Machine, versions, date: one line each. */
  readonly circumstances: readonly string[];
  readonly measured: readonly Measured[];
}

const begin = (name: string): string => `<!-- ${name} -->`;
const end = (name: string): string => `<!-- end of ${name} -->`;

/** Writes the page. Sections of benches that were not run now stay as they are. */
export async function writePage({ file, circumstances, measured }: Page): Promise<void> {
  const before = await readFile(file, "utf8").catch(() => "");
  const kept = new Map<string, string>();
  for (const [, name = "", section = ""] of before.matchAll(/<!-- (\S+) -->\n([\s\S]*?)<!-- end of \1 -->/g))
    kept.set(name, section);
  for (const { bench, tables, load } of measured) {
    const goals = bench.goals.map((goal) => `- goal: ${goal}`).join("\n");
    const at = new Date().toISOString().slice(0, 16).replace("T", " ");
    const run = `- run: ${at} UTC, \`npm run bench -- ${bench.name}\`, load average at its end ${load.toFixed(1)}`;
    const parts = [`## ${bench.title}`, `${goals}\n${run}`];
    kept.set(bench.name, `${[...parts, ...tables.map(markdown)].join("\n\n")}\n\n`);
  }
  const sections = [...kept].map(([name, section]) => `${begin(name)}\n${section}${end(name)}\n`);
  await writeFile(
    file,
    `${[introduction, `${circumstances.map((line) => `- ${line}`).join("\n")}\n`, ...sections].join("\n")}`,
  );
}

const introduction = `# Benchmarks

Written by \`npm run bench\`, which runs everything below on one machine with a real Kafka and a real Valkey. Client, server and what measures
them share its cores, so read the ratios rather than the rates: contestants take turns in each round, ratios are between turns of the same round,
and a cell is the median with the lowest and highest in brackets. Each bench first checks that what it times is correct: nothing stale, nothing
left, all events applied.
`;
