import { expect, test } from "@jest/globals";
import { fuzz } from "../../../dev/fuzz/fuzz.ts";
import { healthTarget } from "../../../dev/fuzz/http.ts";
import { storedSources } from "../../../dev/fuzz/stored-sources.ts";
import { pureTargets, type Target } from "../../../dev/fuzz/targets.ts";

const sumOf = (counts: ReadonlyMap<string, number> | undefined): number =>
  [...(counts?.values() ?? [])].reduce((sum, count) => sum + count, 0);

test.each([...pureTargets, storedSources()].map((target) => [target.name, target] as const))(
  "%s: no input breaks it, and each has one outcome",
  async (name, target) => {
    const { outcomes, failure } = await fuzz({ targets: [{ target, inputs: 1_000 }], seed: 7 });
    expect(failure).toBeUndefined();
    expect(sumOf(outcomes.get(name))).toBe(1_000);
    // Not only refusals: the inputs reach what they are to try.
    expect(outcomes.get(name)?.size).toBeGreaterThan(2);
  },
);

test("http: no input breaks it, and it answers after each", async () => {
  const { target, close } = await healthTarget();
  const { outcomes, failure } = await fuzz({ targets: [{ target, inputs: 50 }], seed: 7 });
  await close();
  expect(failure).toBeUndefined();
  expect(sumOf(outcomes.get("http"))).toBe(50);
});

test("what breaks is told with its seed and input, and the same seed finds it again", async () => {
  const planted: Target = {
    name: "planted",
    make: (chance) => Buffer.from([chance.below(256)]),
    play: ([byte]) => {
      if (byte === 66) throw new Error("66");
      return "fine";
    },
  };
  const run = () => fuzz({ targets: [{ target: planted, inputs: 10_000 }], seed: 3 });
  const { failure, outcomes } = await run();
  expect(failure).toMatchObject({ target: "planted", seed: 3, input: Buffer.from([66]) });
  expect(sumOf(outcomes.get("planted"))).toBe(failure?.index);
  expect((await run()).failure?.index).toBe(failure?.index);
});
