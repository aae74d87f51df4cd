// npm run chaos                    every fault, at full length
// npm run chaos -- --short         the same faults, shorter: for every change
// npm run chaos -- worker-zombie   one of them, or several
// npm run chaos -- --list          their names
// npm run chaos -- --logs FOLDER   keeps all that the workers said
// npm run chaos -- --write         renews the figures in docs/operations.md; with --json FILE also writes the outcomes
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import {
  type KafkaClusterHandle,
  type KafkaHandle,
  ServiceUnavailableError,
  startKafka,
  startKafkaCluster,
  terminalProgress,
} from "../services/index.ts";
import { play } from "./play.ts";
import { lineOf, renewed } from "./report.ts";
import type { Outcome, Row } from "./row.ts";
import { rows } from "./rows/index.ts";
import { proof } from "./rows/proof.ts";
import type { SharedServices } from "./stage-kafka.ts";

const page = "docs/operations.md";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    json: { type: "string" },
    logs: { type: "string" },
    jobs: { type: "string", default: "1" },
  },
});

if (values.list) {
  for (const { name, fault } of rows) console.log(`${name.padEnd(32)} ${fault}`);
  process.exit(0);
}
// Faults are signals to processes of our own.
process.env.UNSTALE_TEST_DOCKER = "no";

const all = [proof, ...rows];
const chosen = positionals.length === 0 ? all : all.filter(({ name }) => positionals.includes(name));
const unknown = positionals.filter((name) => !all.some((row) => row.name === name));
if (unknown.length > 0) {
  console.error(`There is no row "${unknown.join('", "')}". npm run chaos -- --list names them.`);
  process.exit(2);
}

let kafka: Promise<KafkaHandle> | undefined;
let cluster: Promise<KafkaClusterHandle> | undefined;
const progress = terminalProgress();
// Logs are compacted as soon as they can be.
const properties = { "log.cleaner.backoff.ms": 200 };
const shared: SharedServices = {
  kafka: () => {
    kafka ??= startKafka({ fresh: true, properties, progress });
    return kafka;
  },
  cluster: () => {
    cluster ??= startKafkaCluster({ progress });
    return cluster;
  },
};

async function playAll(): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const left = [...chosen];
  const turn = async (): Promise<void> => {
    for (let row: Row | undefined = left.shift(); row !== undefined; row = left.shift()) {
      const outcome = await play(row, shared, { short: values.short, logs: values.logs });
      outcomes.push(outcome);
      console.log(lineOf(outcome));
      if (values.write && outcome.problems.length === 0) {
        writeFileSync(page, renewed(readFileSync(page, "utf8"), rows, [outcome]));
      }
      for (const problem of outcome.problems) console.log(problem.replaceAll(/^/gm, "        "));
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, turn));
  return outcomes;
}

const began = Date.now();
if (values.logs !== undefined) mkdirSync(values.logs, { recursive: true });
try {
  const outcomes = await playAll();
  const failed = outcomes.filter(({ problems }) => problems.length > 0);
  const minutes = ((Date.now() - began) / 60_000).toFixed(1);
  const form = values.short ? "short" : "full";
  console.log(`\n${outcomes.length} faults (${form} form) in ${minutes} minutes, ${failed.length} failed`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(outcomes, undefined, 2)}\n`);
  process.exitCode = failed.length === 0 ? 0 : 1;
} catch (error) {
  if (!(error instanceof ServiceUnavailableError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await (await kafka?.catch(() => undefined))?.stop();
  await (await cluster?.catch(() => undefined))?.stop();
}
// Connections that a failed row left behind must not keep us.
process.exit();
