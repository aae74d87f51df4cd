import { beforeAll, expect, test } from "@jest/globals";
import { scriptMutants, tryMutant } from "../../../dev/explore/mutants/index.ts";
import { valkeyMachine } from "../../../dev/explore/valkey-machine.ts";
import type { ValkeyHandle } from "../../../dev/services/index.ts";
import { describeWith, ownValkey } from "../../support/services.ts";

describeWith(["valkey"], "a mistake in a script comes to light", () => {
  let server: ValkeyHandle;
  beforeAll(async () => {
    server = await ownValkey();
  });

  test.each(scriptMutants.map((mutant) => [mutant.name, mutant] as const))(
    "%s",
    async (_, mutant) => {
      const { failure, planted } = await tryMutant(mutant, (options) => valkeyMachine({ ...options, server }), {
        milliseconds: 60_000,
      });
      expect(planted).toBe(true);
      expect(mutant.breaks).toContain(failure?.violation.promise);
    },
    90_000,
  );
});
