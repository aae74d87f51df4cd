// npm run storm -- --seconds 60 --seed 7 --variant usual --variant wipes [--contestant unstale] [--markdown]
// What it is, and what came out of it: docs/storm.md.
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startKafka, terminalProgress } from "../services/index.ts";
import { contestants, isContestant } from "./contestants/index.ts";
import { problemsOf } from "./judgement.ts";
import { type StormReport, storm } from "./storm.ts";
import { markdown, plain, tableOf } from "./table.ts";
import { isVariant, variants } from "./variants.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "30" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    variant: { type: "string", multiple: true, default: ["usual"] },
    contestant: { type: "string", multiple: true },
    markdown: { type: "boolean", default: false },
  },
});

const names = values.variant.includes("all") ? Object.keys(variants) : values.variant;
const chosen = checked("variant", names, isVariant, Object.keys(variants));
const entrants = values.contestant && checked("contestant", values.contestant, isContestant, Object.keys(contestants));
const seconds = Number(values.seconds);
const seed = Number(values.seed);
if (!(seconds > 0) || !Number.isSafeInteger(seed)) {
  console.error(`Expected --seconds and --seed to be numbers, got ${values.seconds} and ${values.seed}.`);
  process.exit(2);
}

const progress = terminalProgress();
const kafka = await startKafka({ progress });
const problems: string[] = [];
try {
  for (const variant of chosen) {
    const report = await storm({
      variant,
      seconds,
      seed,
      contestants: entrants,
      brokers: kafka.brokers,
      // This file is dist/dev/storm/main.js when it runs.
      dist: fileURLToPath(new URL("../..", import.meta.url)),
      progress,
    });
    console.log(describe(report));
    problems.push(...problemsOf(report));
  }
} finally {
  await kafka.stop();
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

function describe(report: StormReport): string {
  const { variant } = report.options;
  const head = `\n== ${variant}: ${variants[variant].what} (${seconds} s, seed ${seed}, ${report.edits} changes)`;
  const counted = (title: string, counts: Readonly<Record<string, number>>): string[] => {
    const list = Object.entries(counts).sort(([one], [other]) => one.localeCompare(other));
    return list.length === 0 ? [] : [`${title}: ${list.map(([name, times]) => `${name} ${times}`).join(", ")}`];
  };
  return [
    head,
    (values.markdown ? markdown : plain)(tableOf(report)),
    ...counted("evicted", report.evictions),
    ...counted("lost", report.losses),
    ...counted("by foreign writers", report.foreign),
    ...report.verdicts.flatMap(({ name, counts }) => counted(name, counts)),
  ].join("\n");
}

function checked<Name extends string>(
  what: string,
  given: readonly string[],
  isOne: (name: string) => name is Name,
  all: readonly string[],
): readonly Name[] {
  const unknown = given.filter((name) => !isOne(name));
  if (unknown.length > 0) {
    console.error(`Expected --${what} to be among ${all.join(", ")}; got ${unknown.join(", ")}.`);
    process.exit(2);
  }
  return given.filter(isOne);
}
