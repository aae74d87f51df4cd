import { afterAll, describe, expect, test } from "@jest/globals";
import { expected } from "../../../dev/explore/coverage.ts";
import {
  describeFailure,
  exploreAll,
  exploreWalks,
  mergedCoverage,
  type Report,
  tableOf,
} from "../../../dev/explore/explore.ts";
import { memoryMachine } from "../../../dev/explore/machine.ts";
import { largeWorlds, smallWorlds } from "../../../dev/explore/worlds/index.ts";

const make = async (options: Parameters<typeof memoryMachine>[0]) => memoryMachine(options);
const reports: Report[] = [];
/** Another one for each run would find more, and be no test: `npm run explore` is for that. */
const seed = 20_260_101;
const walks = 120;

describe("every interleaving of a small world keeps every promise (I1, I2, I3, I5, I6, I8, I9)", () => {
  test.each(smallWorlds.map((world) => [world.name, world] as const))(
    "%s",
    async (_, world) => {
      const report = await exploreAll(world, make);
      reports.push(report);
      expect(describeFailure(report)).toBe("");
      expect(report.complete).toBe(true);
    },
    120_000,
  );
});

describe("random walks through a large world keep every promise", () => {
  test.each(largeWorlds.map((world) => [world.name, world] as const))(
    "%s",
    async (_, world) => {
      const report = await exploreWalks(world, make, { seed, walks });
      reports.push(report);
      expect(describeFailure(report)).toBe("");
    },
    120_000,
  );
});

describe("what was explored", () => {
  test("is more than a million interleavings", () => {
    expect(reports.reduce((total, { interleavings }) => total + interleavings, 0)).toBeGreaterThan(1_000_000);
  });

  test("reaches every kind of step and every reason for a refusal", () => {
    const { counts } = mergedCoverage(reports);
    expect(expected.filter((name) => !counts.has(name))).toEqual([]);
  });
});

afterAll(() => console.info(tableOf(reports)));
