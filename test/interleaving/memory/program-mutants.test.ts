import { describe, expect, test } from "@jest/globals";
import { memoryMachine } from "../../../dev/explore/machine.ts";
import { programMutants, tryMutant } from "../../../dev/explore/mutants/index.ts";

describe("a mistake of a program comes to light", () => {
  test.each(programMutants.map((mutant) => [mutant.name, mutant] as const))(
    "%s",
    async (_, mutant) => {
      const { failure } = await tryMutant(mutant, async (options) => memoryMachine(options), { milliseconds: 60_000 });
      expect(mutant.breaks).toContain(failure?.violation.promise);
    },
    90_000,
  );
});
