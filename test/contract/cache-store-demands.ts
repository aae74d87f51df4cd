import { describe, expect, test } from "@jest/globals";
import type { ConfirmReply, Demands, ReadReply } from "@unstale/cache-core";
import type { MakeScene, Scene } from "../support/store-scene.ts";

const seconds = 1_000_000;
const p0 = { topic: "cms.documents", partition: 0 };
const p1 = { topic: "cms.documents", partition: 1 };

/** Reads that know what they need, and the watermark that bounded ones stand on. */
export function describeDemands(makeScene: MakeScene): void {
  const begin = async (options?: Parameters<MakeScene>[0]) => {
    const scene = await makeScene(options);
    const { store, bucket, world } = scene;
    return {
      ...scene,
      demand: async (demands: Partial<Demands>): Promise<ReadReply> => {
        const { versions } = await scene.open();
        return store.read({ bucket, query: "q", versions, demands: { after: [], ...demands } });
      },
      apply: (partition: { topic: string; partition: number }, next: number, ...ids: string[]) =>
        scene.invalidate({
          documents: ids.map((id) => ({ id })),
          position: { ...partition, previous: 0, next },
        }),
      /** As a worker does it: the moment, then the ends of the logs, then the claim. */
      confirm: async (ends: Readonly<Record<string, number>>, late = 0): Promise<ConfirmReply> => {
        const partitions = Object.keys(ends).map((partition) => ({ topic: p0.topic, partition: Number(partition) }));
        const asked = await store.confirm({ bucket, partitions });
        if (asked.kind !== "standing") return asked;
        world.now += late;
        return store.confirm({ bucket, partitions, claim: { moment: asked.moment, ends: Object.values(ends) } });
      },
    };
  };

  describe("a read after a record", () => {
    test("is a miss with a lease until the record is applied, and a hit from then on", async () => {
      const { write, demand, apply, open } = await begin();
      await apply(p0, 7);
      await write("q");
      const lease = await open();
      expect(await demand({ after: [{ ...p0, offset: 6 }] })).toMatchObject({ kind: "hit", response: "to q" });
      expect(await demand({ after: [{ ...p0, offset: 7 }] })).toEqual({
        kind: "miss",
        snapshot: expect.objectContaining({ birth: lease.birth, versions: lease.versions }),
        unmet: "behind",
      });
      await apply(p0, 8);
      expect(await demand({ after: [{ ...p0, offset: 7 }] })).toMatchObject({ kind: "hit" });
    });

    test("asks for each of several partitions; one of which nothing was ever applied is behind", async () => {
      const { write, demand, apply } = await begin();
      await apply(p0, 9);
      await write("q");
      const after = [
        { ...p0, offset: 8 },
        { ...p1, offset: 0 },
      ];
      expect(await demand({ after })).toMatchObject({ kind: "miss", unmet: "behind" });
      await apply(p1, 1);
      expect(await demand({ after })).toMatchObject({ kind: "hit" });
    });

    test("whose account was evicted, or is of another type, is a miss (I4)", async () => {
      const { write, demand, apply, raw, keys, bucket } = await begin();
      await apply(p0, 9);
      await write("q");
      await raw.del(keys.state(bucket));
      expect(await demand({ after: [{ ...p0, offset: 1 }] })).toMatchObject({ kind: "miss", unmet: "behind" });
      await raw.set(keys.state(bucket), "x");
      expect(await demand({ after: [{ ...p0, offset: 1 }] })).toMatchObject({ kind: "miss", unmet: "behind" });
    });

    test("is judged like any other once its demand is met", async () => {
      const { write, demand, apply } = await begin();
      await write("q", { sources: ["a"] });
      await apply(p0, 1, "a");
      const reply = await demand({ after: [{ ...p0, offset: 0 }] });
      expect(reply).toMatchObject({ kind: "miss" });
      expect(reply).not.toHaveProperty("unmet");
    });

    test("gives a lease that is as good as any: the event that comes ends what is written with it", async () => {
      const { write, demand, apply } = await begin();
      const reply = await demand({ after: [{ ...p0, offset: 0 }] });
      if (reply.kind !== "miss") throw new Error(reply.kind);
      expect(await write("q", { sources: ["a"], lease: reply.snapshot })).toEqual({ kind: "written" });
      await apply(p0, 1, "a");
      expect(await demand({ after: [{ ...p0, offset: 0 }] })).toMatchObject({ kind: "miss" });
      expect(await write("q", { sources: ["a"], lease: reply.snapshot })).toMatchObject({ reason: "changed" });
    });
  });

  describe("the freshness watermark", () => {
    test("is noted when every partition is applied to its end, and not before: nobody's ones count too", async () => {
      const { apply, confirm, open, world } = await begin();
      await open();
      await apply(p0, 4);
      const before = world.now;
      expect(await confirm({ 0: 4, 1: 2 }, 5)).toMatchObject({
        kind: "standing",
        holds: false,
        applied: [4, undefined],
      });
      expect(await confirm({ 0: 4, 1: 2 })).not.toHaveProperty("confirmedAt");
      await apply(p1, 2);
      expect(await confirm({ 0: 4, 1: 2 }, 5)).toMatchObject({ holds: true, confirmedAt: before + 5 });
      expect(await confirm({ 0: 5, 1: 2 })).toMatchObject({ holds: false, confirmedAt: before + 5 });
    });

    test("stands on an empty log at once, and not on one whose account was lost", async () => {
      const { confirm, open, apply, raw, keys, bucket } = await begin();
      await open();
      expect(await confirm({ 0: 0 })).toMatchObject({ holds: true });
      await apply(p0, 3);
      await raw.del(keys.state(bucket));
      expect(await confirm({ 0: 3 })).toMatchObject({ holds: false, applied: [undefined] });
    });

    test("only moves forward: a claim that comes late changes nothing (I6)", async () => {
      const { store, bucket, confirm, open, world } = await begin();
      await open();
      const asked = await store.confirm({ bucket, partitions: [] });
      if (asked.kind !== "standing") throw new Error(asked.kind);
      world.now += seconds;
      expect(await confirm({})).toMatchObject({ confirmedAt: world.now });
      const claim = { moment: asked.moment, ends: [] };
      expect(await store.confirm({ bucket, partitions: [], claim })).toMatchObject({
        holds: true,
        confirmedAt: world.now,
      });
    });

    test("takes no claim of another server or birth", async () => {
      const { store, bucket, open, world, raw, keys } = await begin();
      await open();
      const asked = await store.confirm({ bucket, partitions: [] });
      if (asked.kind !== "standing") throw new Error(asked.kind);
      const claim = { moment: asked.moment, ends: [] };
      world.replicationId += 1;
      expect(await store.confirm({ bucket, partitions: [], claim })).toMatchObject({ holds: false });
      world.replicationId -= 1;
      await raw.del(keys.fence(bucket));
      expect(await store.confirm({ bucket, partitions: [], claim })).toEqual({ kind: "lost" });
      await open();
      expect(await store.confirm({ bucket, partitions: [], claim })).toMatchObject({ holds: false });
      expect(await raw.exists(keys.fresh(bucket))).toBe(false);
    });

    test("of a time that has not come (the clock went back) gives way, and serves nobody", async () => {
      const { write, demand, confirm, world } = await begin();
      await write("q");
      await confirm({});
      world.now -= 10 * seconds;
      expect(await demand({ maxStalenessMs: 2_000 })).toMatchObject({ kind: "miss", unmet: "unconfirmed" });
      expect(await confirm({})).toMatchObject({ holds: true, confirmedAt: world.now });
      expect(await demand({ maxStalenessMs: 2_000 })).toMatchObject({ kind: "hit" });
    });

    test("tells of a newer format, and touches nothing (R30)", async () => {
      const { confirm, open, raw, keys, bucket } = await begin();
      await open();
      await raw.zadd(keys.fence(bucket), " format", 2);
      expect(await confirm({})).toEqual({ kind: "format" });
    });
  });

  describe("a read of bounded staleness", () => {
    const confirmed = async () => {
      const scene = await begin();
      await scene.write("q");
      await scene.confirm({});
      return scene;
    };
    const bounded = { maxStalenessMs: 2_000 };

    test("is a hit while the watermark is younger, to the microsecond", async () => {
      const { demand, world } = await confirmed();
      world.now += 2 * seconds;
      expect(await demand(bounded)).toMatchObject({ kind: "hit" });
      world.now += 1;
      expect(await demand(bounded)).toMatchObject({ kind: "miss", unmet: "unconfirmed" });
      expect(await demand({ maxStalenessMs: 3_000 })).toMatchObject({ kind: "hit" });
    });

    test("is a miss where nothing was confirmed, or the watermark is not one (I4)", async () => {
      const { demand, write, raw, keys, bucket } = await begin();
      await write("q");
      expect(await demand(bounded)).toMatchObject({ kind: "miss", unmet: "unconfirmed" });
      for (const text of ["x", "1:2", "1:2:3:4", "-1:2:3"]) {
        await raw.set(keys.fresh(bucket), text);
        expect(await demand(bounded)).toMatchObject({ kind: "miss", unmet: "unconfirmed" });
      }
      await raw.del(keys.fresh(bucket));
      await raw.sadd(keys.fresh(bucket), "x");
      expect(await demand(bounded)).toMatchObject({ kind: "miss", unmet: "unconfirmed" });
    });

    /** What a replica has is what the watermark says; that its clock is the same, nobody knows. */
    test("is a miss on another server, though nobody told the fences of it yet, until that one is confirmed", async () => {
      const { demand, world, confirm } = await confirmed();
      world.replicationId += 1;
      expect(await demand(bounded)).toMatchObject({ kind: "miss", unmet: "unconfirmed" });
      await confirm({});
      expect(await demand(bounded)).toMatchObject({ kind: "hit" });
    });

    test("is a miss after a failover until what it lost is applied again: there is no window", async () => {
      const { demand, apply, confirm, raw, world, write } = await begin();
      await write("q", { sources: ["a"] });
      await apply(p0, 1);
      const restore = await raw.snapshot();
      await apply(p0, 2, "a");
      await confirm({ 0: 2 });
      await restore();
      world.replicationId += 1;
      expect(await demand(bounded)).toMatchObject({ kind: "miss", unmet: "unconfirmed" });
      await confirm({ 0: 2 });
      expect(await demand(bounded)).toMatchObject({ kind: "miss", unmet: "unconfirmed" });
      await apply(p0, 2, "a");
      await confirm({ 0: 2 });
      expect(await demand(bounded)).toMatchObject({ kind: "miss" });
      expect(await demand(bounded)).not.toHaveProperty("unmet");
    });

    test("is a miss after another birth", async () => {
      const { demand, open, raw, keys, bucket } = await confirmed();
      await raw.del(keys.fence(bucket));
      await open();
      expect(await demand(bounded)).toMatchObject({ kind: "miss", unmet: "unconfirmed" });
    });

    test("asks for a record as well, where both are demanded", async () => {
      const { demand } = await confirmed();
      expect(await demand({ ...bounded, after: [{ ...p0, offset: 0 }] })).toMatchObject({ unmet: "behind" });
    });
  });

  test("demands go with a namespace as well", async () => {
    const { store, bucket, write, open, apply }: Scene & Awaited<ReturnType<typeof begin>> = await begin();
    await apply(p0, 1);
    await write("q", { namespace: "docs:technical" });
    const { versions } = await open("docs:technical");
    const request = { bucket, namespace: "docs:technical", query: "q", versions };
    const demands = (offset: number): Demands => ({ after: [{ ...p0, offset }] });
    expect(await store.read({ ...request, demands: demands(0) })).toMatchObject({ kind: "hit" });
    expect(await store.read({ ...request, demands: demands(1) })).toMatchObject({ kind: "miss", unmet: "behind" });
  });
}
