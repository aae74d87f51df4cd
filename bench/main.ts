// `npm run bench` runs everything and writes docs/benchmarks.md; `npm run bench -- read commit` runs some and writes
// nothing unless `--write` is given.
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { terminalProgress } from "../dev/services/index.ts";
import { benches } from "./benches.ts";
import { openLab } from "./lab.ts";
import { circumstances } from "./machine.ts";
import { type Measured, plain, writePage } from "./report.ts";

const words = process.argv.slice(2);
const names = words.filter((word) => !word.startsWith("--"));
const unknown = names.filter((name) => !benches.some((bench) => bench.name === name));
const chosen = names.length === 0 ? benches : benches.filter(({ name }) => names.includes(name));
const wrong = words.filter((word) => word.startsWith("--") && !["--write", "--smoke"].includes(word));
if (unknown.length > 0 || wrong.length > 0) {
  console.error(
    `Expected some of ${benches.map(({ name }) => name).join(", ")}, --write, --smoke; got ${[...unknown, ...wrong].join(", ")}.`,
  );
  process.exit(2);
}

const progress = terminalProgress();
// This file is dist/bench/main.js when it runs.
const dist = fileURLToPath(new URL("..", import.meta.url));
const lab = openLab({ size: words.includes("--smoke") ? "smoke" : "full", dist, progress });
const measured: Measured[] = [];
try {
  for (const bench of chosen) {
    const began = performance.now();
    console.log(`\n== ${bench.title} ==`);
    for (const goal of bench.goals) console.log(`   goal: ${goal}`);
    const tables = await lab.run(bench);
    for (const table of tables) console.log(plain(table));
    const seconds = (performance.now() - began) / 1_000;
    measured.push({ bench, tables, seconds, load: loadavg()[0] ?? 0 });
  }
  if (names.length === 0 || words.includes("--write")) {
    const file = fileURLToPath(new URL("../../docs/benchmarks.md", import.meta.url));
    await writePage({ file, circumstances: await circumstances(lab.services), measured });
    console.log(`\nWritten: ${file}`);
  }
} finally {
  await lab.close();
}
for (const { bench, seconds } of measured) console.log(`${bench.name.padEnd(12)} ${seconds.toFixed(0)} s`);
