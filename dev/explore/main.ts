import { Engine } from "./engine.ts";
import { memoryMachine } from "./machine.ts";
import { searchAll, searchShortest } from "./search.ts";
import { worlds } from "./worlds/index.ts";

for (const world of worlds) {
  const engine = new Engine(world, memoryMachine(world.machine));
  const began = Date.now();
  const findings = await (world.unexcused ? searchShortest : searchAll)(engine, { milliseconds: 30_000 });
  console.log(
    world.name,
    Date.now() - began,
    "ms",
    JSON.stringify(findings, null, 1),
    findings.failure?.violation.message,
  );
  console.log([...engine.coverage.counts].sort());
}
