import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { hashSlot } from "@unstale/cache-core";
import { describeFailure, exploreAll, exploreWalks, type Report, tableOf } from "../../../dev/explore/explore.ts";
import { pairMachine } from "../../../dev/explore/pair-machine.ts";
import { largeWorlds, smallWorlds } from "../../../dev/explore/worlds/index.ts";
import type { ValkeyClusterHandle } from "../../../dev/services/index.ts";
import { describeWith, ownValkeyCluster } from "../../support/services.ts";

const inBuckets = ({ machine }: (typeof smallWorlds)[number]): boolean => (machine.layout?.buckets ?? 1) > 1;

describeWith(["valkey"], "memory and a Valkey Cluster give the same replies and hold the same keys", () => {
  let cluster: ValkeyClusterHandle;
  const reports: Report[] = [];
  beforeAll(async () => {
    cluster = await ownValkeyCluster({ replicas: 0 });
  }, 60_000);

  test("though the buckets lie on different servers", async () => {
    const owners = await Promise.all([0, 1].map((bucket) => cluster.primaryOf(hashSlot(`{${bucket}}`))));
    expect(new Set(owners.map(({ id }) => id)).size).toBe(2);
  });

  test.each(smallWorlds.filter(inBuckets).map((world) => [world.name, world] as const))(
    "in every interleaving: %s",
    async (_, world) => {
      const report = await exploreAll(world, (options) => pairMachine({ ...options, server: cluster }), {
        states: 3_000,
      });
      reports.push(report);
      expect(describeFailure(report)).toBe("");
    },
    240_000,
  );

  test.each(largeWorlds.filter(inBuckets).map((world) => [world.name, world] as const))(
    "on random walks: %s",
    async (_, world) => {
      const limits = { seed: 13, walks: 20 };
      const report = await exploreWalks(world, (options) => pairMachine({ ...options, server: cluster }), limits);
      reports.push(report);
      expect(describeFailure(report)).toBe("");
    },
    240_000,
  );

  afterAll(() => console.info(tableOf(reports)));
});
