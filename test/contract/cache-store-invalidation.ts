import { describe, expect, test } from "@jest/globals";
import type { MakeScene } from "../support/store-scene.ts";

const position = { topic: "cms.documents", partition: 0, previous: 0, next: 1 };

/** invalidate: the barrier, and the account of what was applied (I1, I3, I5, I6). */
export function describeInvalidation(makeScene: MakeScene): void {
  describe("invalidating", () => {
    test("deletes all that depends on the document, and its dependency set; nothing else", async () => {
      const { write, read, change, raw, keyOf, setOf } = await makeScene();
      await write("q", { sources: ["a", "b"] });
      await write("r", { sources: ["a"], namespace: "docs" });
      await write("s", { sources: ["b"] });
      const keys = [await keyOf("q"), await keyOf("r", "docs")];
      expect(await change("a")).toMatchObject({ deleted: 2, drains: [], raised: 0, barrier: false, born: false });
      for (const key of [...keys, setOf("a")]) expect(await raw.exists(key)).toBe(false);
      expect(await read("s")).toMatchObject({ kind: "hit" });
    });

    test("is a barrier even when no set lists the entry any more (an eviction): the fence stands above its lease", async () => {
      const { write, read, change, raw, keyOf, setOf } = await makeScene();
      await write("q", { sources: ["a"] });
      await raw.del(setOf("a"));
      expect(await read("q")).toMatchObject({ kind: "hit" });
      expect(await change("a")).toMatchObject({ deleted: 0 });
      expect(await raw.exists(await keyOf("q"))).toBe(true);
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("stamps all documents of a call alike, each call higher, even when time stands still or goes back", async () => {
      const { change, raw, keys, bucket, world } = await makeScene();
      const first = await change("a", "b");
      expect(await raw.zscore(keys.fence(bucket), "a")).toBe(first.stamp);
      expect(await raw.zscore(keys.fence(bucket), "b")).toBe(first.stamp);
      const second = await change("a");
      expect(second.stamp).toBe(first.stamp + 1);
      world.now -= 60_000_000;
      expect((await change("a")).stamp).toBe(second.stamp + 1);
      world.now += 120_000_000;
      expect((await change("a")).stamp).toBe(world.now);
    });

    test("of 500 documents is one step", async () => {
      const { change } = await makeScene();
      const ids = Array.from({ length: 500 }, (_, index) => `doc:${index}`);
      expect(await change(...ids)).toMatchObject({ kind: "applied", deleted: 0 });
    });

    test("of the same document twice, or of nothing, does no harm (I6)", async () => {
      const { write, read, change } = await makeScene();
      await write("q", { sources: ["a"] });
      await change();
      expect(await read("q")).toMatchObject({ kind: "hit" });
      await change("a");
      await change("a");
      await write("q", { sources: ["a"] });
      expect(await read("q")).toMatchObject({ kind: "hit" });
    });
  });

  describe("invalidating from a log", () => {
    test("remembers how far it came, and never falls back", async () => {
      const { invalidate, raw, keys, bucket } = await makeScene();
      const applied = async () => (await raw.hgetall(keys.state(bucket)))[keys.appliedField(position)];
      await invalidate({ position: { ...position, next: 7 } });
      expect(await applied()).toBe("7");
      await invalidate({ position: { ...position, previous: 0, next: 3 } });
      expect(await applied()).toBe("7");
      await invalidate({ position: { ...position, previous: 7, next: 9 } });
      expect(await applied()).toBe("9");
    });

    test("keeps account of each partition of each topic", async () => {
      const { store, invalidate, bucket } = await makeScene();
      await invalidate({ position: { ...position, next: 3 } });
      await invalidate({ position: { ...position, partition: 1, next: 4 } });
      await invalidate({ position: { ...position, topic: "other", next: 5 } });
      const partitions = [position, { ...position, partition: 1 }, { ...position, topic: "other" }];
      expect(await store.heartbeat({ bucket, partitions })).toMatchObject({ applied: [3, 4, 5] });
    });

    test("does nothing when the store fell back behind this worker, and says where it is (I5)", async () => {
      const { write, read, invalidate } = await makeScene();
      await invalidate({ position: { ...position, next: 5 } });
      await write("q", { sources: ["a"] });
      const reply = await invalidate({
        documents: [{ id: "a" }],
        scopes: [{ offset: 9 }],
        position: { ...position, previous: 8, next: 10 },
      });
      expect(reply).toEqual({ kind: "rollback", applied: 5 });
      expect(await read("q")).toMatchObject({ kind: "hit" });
      const replay = await invalidate({ documents: [{ id: "a" }], position: { ...position, previous: 5, next: 8 } });
      expect(replay).toMatchObject({ kind: "applied", barrier: false });
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("fences a replayed document again, but does not raise version tags again (I6)", async () => {
      const { write, read, invalidate, open } = await makeScene();
      const event = { documents: [{ id: "a" }], scopes: [{ offset: 3 }], position: { ...position, next: 4 } };
      expect(await invalidate(event)).toMatchObject({ raised: 1 });
      const { versions } = await open();
      await write("q", { sources: ["a"] });
      await write("r", { sources: ["b"] });
      expect(await invalidate(event)).toMatchObject({ raised: 0 });
      expect((await open()).versions).toEqual(versions);
      expect(await read("q")).toMatchObject({ kind: "miss" });
      expect(await read("r")).toMatchObject({ kind: "hit" });
    });

    test("raises for the events of a batch that are new, and only for those", async () => {
      const { invalidate, open } = await makeScene();
      await invalidate({ position: { ...position, next: 4 } });
      const [before] = [await open("docs")];
      const reply = await invalidate({
        scopes: [{ offset: 3 }, { namespace: "docs", offset: 4 }],
        position: { ...position, previous: 2, next: 5 },
      });
      expect(reply).toMatchObject({ raised: 1 });
      const after = await open("docs");
      expect(after.versions[0]).toBe(before.versions[0]);
      expect(after.versions[1]).not.toBe(before.versions[1]);
    });
  });

  describe("a barrier for the whole bucket", () => {
    test("makes everything unservable and refuses every lease from before", async () => {
      const { write, read, open, invalidate, keys, bucket, raw } = await makeScene();
      await write("q", { sources: ["a"] });
      const lease = await open();
      const reply = await invalidate({ barrier: true });
      expect(reply).toMatchObject({ kind: "applied", barrier: true, raised: 1 });
      expect(await read("q")).toMatchObject({ kind: "miss" });
      expect(await write("q", { lease })).toMatchObject({ kind: "refused" });
      // Even if the version tag were the old one (a foreign SET): the floor stands above the lease.
      await raw.set(keys.versionCounters({ bucket })[0], lease.versions[0] ?? "");
      expect(await write("q", { lease })).toEqual({ kind: "refused", reason: "old" });
      expect(await read("q")).toMatchObject({ kind: "miss" });
      expect(await write("q")).toEqual({ kind: "written" });
      expect(await read("q")).toMatchObject({ kind: "hit" });
    });

    test("reaches entries that no fence guards, and those whose listing would vouch for them", async () => {
      const { write, read, open, invalidate, plain } = await makeScene({ policy: { foreignWriters: false } });
      const { versions } = await open();
      await write("own", { sources: ["a"] });
      await write("unfenced", { sources: ["a"], lease: { versions } });
      await plain("plain", { sources: ["a"] });
      await invalidate({ barrier: true });
      for (const query of ["own", "unfenced", "plain"]) expect(await read(query)).toMatchObject({ kind: "miss" });
    });

    test("follows when the account is a key of another type", async () => {
      const { store, invalidate, raw, keys, bucket } = await makeScene();
      await invalidate({ position: { ...position, next: 5 } });
      await raw.del(keys.state(bucket));
      await raw.set(keys.state(bucket), "x");
      expect(await store.heartbeat({ bucket, partitions: [position] })).toMatchObject({ applied: [undefined] });
      const reply = await invalidate({ position: { ...position, previous: 5, next: 6 } });
      expect(reply).toMatchObject({ kind: "applied", barrier: true });
      expect(await store.heartbeat({ bucket, partitions: [position] })).toMatchObject({ applied: [6] });
    });

    test("follows when the account of a partition that had progress is gone (H7), once", async () => {
      const { write, read, open, invalidate, raw, keys, bucket } = await makeScene();
      const event = { documents: [{ id: "x" }], position: { ...position, previous: 5, next: 6 } };
      await invalidate({ position: { ...position, next: 5 } });
      await write("q", { sources: ["a"] });
      const lease = await open();
      await raw.del(keys.state(bucket));
      expect(await invalidate(event)).toMatchObject({ kind: "applied", barrier: true, raised: 1 });
      expect(await read("q")).toMatchObject({ kind: "miss" });
      expect(await write("q", { lease })).toMatchObject({ kind: "refused" });
      await write("q", { sources: ["a"] });
      expect(await invalidate(event)).toMatchObject({ barrier: false });
      expect(await read("q")).toMatchObject({ kind: "hit" });
    });

    test("does not follow for a partition that never had progress", async () => {
      const { write, read, invalidate } = await makeScene();
      await write("q", { sources: ["a"] });
      expect(await invalidate({ position })).toMatchObject({ kind: "applied", barrier: false, raised: 0 });
      expect(await read("q")).toMatchObject({ kind: "hit" });
    });

    test("follows when the account says nonsense", async () => {
      const { invalidate, raw, keys, bucket, store } = await makeScene();
      await raw.hset(keys.state(bucket), { [keys.appliedField(position)]: "many" });
      expect(await store.heartbeat({ bucket, partitions: [position] })).toMatchObject({ applied: [undefined] });
      const reply = await invalidate({ position: { ...position, previous: 5, next: 6 } });
      expect(reply).toMatchObject({ kind: "applied", barrier: true });
      expect(await raw.hgetall(keys.state(bucket))).toEqual({ [keys.appliedField(position)]: "6" });
    });
  });
}
