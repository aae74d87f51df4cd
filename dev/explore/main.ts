import { Engine } from "./engine.ts";
import { memoryMachine } from "./machine.ts";
import { searchAll } from "./search.ts";
import { worlds } from "./worlds/index.ts";

const only = process.argv[2];
for (const world of worlds) {
  if (only && !world.name.startsWith(only)) continue;
  const engine = new Engine(world, memoryMachine(world.machine));
  const began = Date.now();
  const { failure, ...findings } = await searchAll(engine, { milliseconds: Number(process.argv[3] ?? 20_000) });
  console.log(world.name, Date.now() - began, "ms", JSON.stringify(findings));
  if (failure) console.log(failure.violation.message, failure.trace.join(", "));
}
