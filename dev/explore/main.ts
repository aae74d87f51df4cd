import { startValkey } from "../services/index.ts";
import { Engine } from "./engine.ts";
import { memoryMachine } from "./machine.ts";
import { pairMachine } from "./pair-machine.ts";
import { searchAll } from "./search.ts";
import { worlds } from "./worlds/index.ts";

const only = process.argv[2];
const valkey = process.argv[4] ? await startValkey({ fresh: true }) : undefined;
for (const world of worlds) {
  if (only && !world.name.startsWith(only)) continue;
  const engine = new Engine(
    world,
    valkey ? await pairMachine({ ...world.machine, server: valkey }) : memoryMachine(world.machine),
  );
  const began = Date.now();
  const { failure, ...findings } = await searchAll(engine, { milliseconds: Number(process.argv[3] ?? 20_000) });
  console.log(world.name, Date.now() - began, "ms", JSON.stringify(findings));
  await engine.machine.close();
  if (failure) console.log(failure.violation.message, failure.trace.join(", "));
}

await valkey?.stop();
