// npm run explore -- --minutes 10 --seed 7 [--store memory|valkey] [--world NAME [--trace a,b,c]]
// npm run explore -- --mutants: every planted mistake, and the shortest trace that shows it (as in docs/guarantees.md)
import { parseArgs } from "node:util";
import { startValkey, type ValkeyHandle } from "../services/index.ts";
import { expected } from "./coverage.ts";
import { Engine } from "./engine.ts";
import {
  describeFailure,
  exploreAll,
  exploreWalks,
  type MakeMachine,
  mergedCoverage,
  type Report,
  tableOf,
} from "./explore.ts";
import { memoryMachine } from "./machine.ts";
import { convicted, mutants, proofTable, tryMutant, type Verdict } from "./mutants/index.ts";
import { pairMachine } from "./pair-machine.ts";
import { replay } from "./search.ts";
import { valkeyMachine } from "./valkey-machine.ts";
import { largeWorlds, smallWorlds } from "./worlds/index.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "2" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    store: { type: "string", default: "memory" },
    world: { type: "string" },
    trace: { type: "string" },
    mutants: { type: "boolean", default: false },
  },
});

const worlds = [...smallWorlds, ...largeWorlds].filter(
  ({ name }) => values.world === undefined || name === values.world,
);
if (worlds.length === 0) {
  const names = [...smallWorlds, ...largeWorlds].map(({ name }) => name).join('", "');
  console.error(`There is no world "${values.world}". There are: "${names}".`);
  process.exit(2);
}
const valkey = values.store === "valkey" || values.mutants ? await startValkey({ fresh: true }) : undefined;
const make = machineMaker(valkey);
const failed = values.mutants ? await convict() : await play(values.trace);
await valkey?.stop();
process.exitCode = failed ? 1 : 0;

function machineMaker(server: ValkeyHandle | undefined): MakeMachine {
  return async (options) => (server ? pairMachine({ ...options, server }) : memoryMachine(options));
}

/** The small worlds whole, in at most half of the time; then walks through the large ones. */
async function explore(): Promise<boolean> {
  const milliseconds = Number(values.minutes) * 60_000;
  const seed = Number(values.seed);
  const began = Date.now();
  console.log(`Seed ${seed}, ${values.minutes} minutes, ${valkey ? "memory beside Valkey" : "memory"}.\n`);
  const reports: Report[] = [];
  const small = worlds.filter((world) => smallWorlds.includes(world));
  for (const [index, world] of small.entries()) {
    const left = milliseconds / 2 - (Date.now() - began);
    reports.push(await exploreAll(world, make, { milliseconds: Math.max(1_000, (left / (small.length - index)) * 4) }));
  }
  const large = worlds.filter((world) => largeWorlds.includes(world));
  for (const [index, world] of large.entries()) {
    const left = milliseconds - (Date.now() - began);
    reports.push(await exploreWalks(world, make, { seed, milliseconds: left / (large.length - index) }));
  }
  console.log(tableOf(reports));
  const { counts } = mergedCoverage(reports);
  console.log(
    `\nReached:\n${[...counts]
      .sort()
      .map(([name, count]) => `  ${name.padEnd(34)}${count}`)
      .join("\n")}`,
  );
  const missing = values.world === undefined ? expected.filter((name) => !counts.has(name)) : [];
  if (missing.length > 0) console.error(`\nNever reached: ${missing.join(", ")}.`);
  for (const report of reports) if (report.failure) console.error(`\n${describeFailure(report)}`);
  return missing.length > 0 || reports.some(({ failure }) => failure);
}

function play(trace: string | undefined): Promise<boolean> {
  return trace === undefined ? explore() : again(trace.split(","));
}

async function convict(): Promise<boolean> {
  const verdicts: Verdict[] = [];
  for (const mutant of mutants) {
    const patched: Parameters<typeof tryMutant>[1] = async ({ patch, ...options }) =>
      valkey && patch ? valkeyMachine({ ...options, patch, server: valkey }) : memoryMachine(options);
    verdicts.push(await tryMutant(mutant, patched, { milliseconds: 60_000 }));
  }
  console.log(proofTable(verdicts));
  return !verdicts.every(convicted);
}

async function again(trace: readonly string[]): Promise<boolean> {
  const [world] = worlds;
  if (!world) return true;
  const engine = new Engine(world, await make(world.machine));
  const failure = await replay(engine, trace);
  await engine.machine.close();
  console.log(failure ? `${failure.violation.message}\n  ${failure.trace.join("\n  ")}` : "No promise is broken.");
  return failure !== undefined;
}
