// npm run fuzz -- --inputs 1000000 --seed 7
import { parseArgs } from "node:util";
import { fuzz } from "./fuzz.ts";
import { healthTarget } from "./http.ts";
import { storedSources } from "./stored-sources.ts";
import { pureTargets } from "./targets.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "100000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const inputs = Number(values.inputs);
const seed = Number(values.seed);
if (!Number.isSafeInteger(inputs) || inputs < 1 || !Number.isSafeInteger(seed)) {
  console.error(
    `Expected whole numbers, such as --inputs 1000000 --seed 7; got --inputs ${values.inputs} --seed ${values.seed}.`,
  );
  process.exit(2);
}

const http = await healthTarget();
// A connection costs as much as a thousand decoded records.
const overHttp = Math.ceil(inputs / 1_000);
const inMemory = [...pureTargets, storedSources()];
const each = Math.ceil((inputs - overHttp) / inMemory.length);
const targets = [...inMemory.map((target) => ({ target, inputs: each })), { target: http.target, inputs: overHttp }];
console.log(`seed ${seed}`);
const began = performance.now();
const { outcomes, failure } = await fuzz({ targets, seed });
await http.close();
let total = 0;
for (const [name, counts] of outcomes) {
  const sum = [...counts.values()].reduce((all, count) => all + count, 0);
  total += sum;
  const list = [...counts].sort(([, a], [, b]) => b - a).map(([outcome, count]) => `${outcome} ${count}`);
  console.log(`${name}: ${sum} inputs: ${list.join(", ")}`);
}
console.log(`${total} inputs, each with one outcome, in ${((performance.now() - began) / 1_000).toFixed(0)} s`);
if (failure !== undefined) {
  const { target, index, input, reason } = failure;
  console.error(
    `FAILED: ${target}, input ${index} of seed ${failure.seed}, in base64: ${input.toString("base64")}\n${reason}`,
  );
  process.exitCode = 1;
}
