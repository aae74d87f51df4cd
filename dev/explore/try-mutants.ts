import { startValkey } from "../services/index.ts";
import { memoryMachine } from "./machine.ts";
import { programMutants } from "./mutants/programs.ts";
import { tryMutant } from "./mutants/run.ts";
import { scriptMutants } from "./mutants/scripts.ts";
import { valkeyMachine } from "./valkey-machine.ts";

const valkey = await startValkey({ fresh: true });
for (const mutant of process.argv[3] === "p" ? programMutants : scriptMutants) {
  if (process.argv[2] && !mutant.name.includes(process.argv[2])) continue;
  const began = Date.now();
  const { failure, moves, planted } = await tryMutant(
    mutant,
    async (options) => (mutant.patch ? valkeyMachine({ ...options, server: valkey }) : memoryMachine(options)),
    { milliseconds: 12_000 },
  ).catch((error: Error) => {
    console.log(mutant.name, error.stack?.slice(0, 600));
    return { failure: undefined, moves: 0, planted: false };
  });
  const ok = planted && failure && mutant.breaks.includes(failure.violation.promise);
  console.log(
    ok ? "ok  " : "MISS",
    mutant.name,
    planted,
    failure?.violation.promise,
    failure?.trace.length,
    moves,
    Date.now() - began,
  );
  if (process.argv[2] || (failure && !ok)) console.log(failure?.violation.message, failure?.trace.join(", "));
}
await valkey.stop();
