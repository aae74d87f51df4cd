import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { describeFailure, exploreAll, exploreWalks, type Report, tableOf } from "../../../dev/explore/explore.ts";
import { pairMachine } from "../../../dev/explore/pair-machine.ts";
import { largeWorlds, smallWorlds } from "../../../dev/explore/worlds/index.ts";
import type { ValkeyHandle } from "../../../dev/services/index.ts";
import { describeWith, ownValkey } from "../../support/services.ts";

/** Worlds of at most some thousand moves: each is a few round trips here. */
const chosen = new Set([
  ...["zombie", "namespaces", "pruning", "flush", "ageing", "foreign listing", "foreign listing, pruning"],
  ...["foreign listing, drains", "foreign namespace", "foreign members", "foreign sources {}", "foreign sources null"],
  ...['foreign sources "abc"', "foreign sources [true]", "foreign sources (empty)", "wrong type", "newer format"],
  ...["plain set", "composed", "lagging source", "after", "after, shared"],
]);

describeWith(["valkey"], "memory and Valkey give the same replies and hold the same keys", () => {
  let server: ValkeyHandle;
  const reports: Report[] = [];
  beforeAll(async () => {
    server = await ownValkey();
  });

  const small = smallWorlds.filter(({ name }) => chosen.has(name));
  test.each(small.map((world) => [world.name, world] as const))(
    "in every interleaving: %s",
    async (_, world) => {
      const report = await exploreAll(world, (options) => pairMachine({ ...options, server }));
      reports.push(report);
      expect(describeFailure(report)).toBe("");
      expect(report.complete).toBe(true);
    },
    120_000,
  );

  // Where a set is drained member by member, the two would begin with different ones.
  const large = largeWorlds.filter(({ machine }) => machine.setMaxListpackEntries === undefined);
  test.each(large.map((world) => [world.name, world] as const))(
    "on random walks: %s",
    async (_, world) => {
      const report = await exploreWalks(world, (options) => pairMachine({ ...options, server }), {
        seed: 7,
        walks: 20,
      });
      reports.push(report);
      expect(describeFailure(report)).toBe("");
    },
    120_000,
  );

  test("there are more than 50,000 interleavings", () => {
    expect(reports.reduce((total, { interleavings }) => total + interleavings, 0)).toBeGreaterThan(50_000);
  });

  afterAll(() => console.info(tableOf(reports)));
});
