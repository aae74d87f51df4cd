import { describe, expect, test } from "@jest/globals";
import { contentOf, type MakeScene, minute } from "../support/store-scene.ts";

const day = 24 * 60 * minute;

/** Dependency sets: who is listed, for how long, and what is never deleted through them (I8). */
export function describeIndex(makeScene: MakeScene): void {
  describe("a dependency set", () => {
    test("lists the entry for each of its sources, and only as long as it names them", async () => {
      const { write, raw, setOf, keyOf } = await makeScene();
      await write("q", { sources: ["a", "b"] });
      await write("q", { sources: ["b", "c"] });
      const key = await keyOf("q");
      expect(await raw.exists(setOf("a"))).toBe(false);
      expect(await raw.smembers(setOf("b"))).toEqual([key]);
      expect(await raw.smembers(setOf("c"))).toEqual([key]);
    });

    test("lives as long as its longest-lived member", async () => {
      const { write, raw, setOf } = await makeScene({ policy: { foreignWriters: false } });
      await write("long", { sources: ["a"], ttlMs: 10 * minute });
      await write("short", { sources: ["a"], ttlMs: minute });
      expect(await raw.pttl(setOf("a"))).toBeGreaterThan(9 * minute);
      await write("longer", { sources: ["a"], ttlMs: 20 * minute });
      expect(await raw.pttl(setOf("a"))).toBeGreaterThan(19 * minute);
    });

    test("that foreign writers made without a TTL gets one that outlives their entries (H16)", async () => {
      const { write, raw, setOf } = await makeScene({ policy: { foreignTtlMs: day } });
      await raw.sadd(setOf("a"), "cache:v1:foreign");
      await write("q", { sources: ["a", "b"] });
      // `b` is new, but a foreign writer may add to it tomorrow (R21).
      for (const document of ["a", "b"]) {
        const left = await raw.pttl(setOf(document));
        expect(left).toBeGreaterThan(day - minute);
        expect(left).toBeLessThanOrEqual(day);
      }
    });

    test("without a TTL and without foreign writers lives as long as the entry (H16)", async () => {
      const { write, raw, setOf } = await makeScene({ policy: { foreignWriters: false } });
      await raw.sadd(setOf("a"), "cache:v1:leftover");
      await write("q", { sources: ["a"] });
      expect(await raw.pttl(setOf("a"))).toBeGreaterThan(0);
      expect(await raw.pttl(setOf("a"))).toBeLessThanOrEqual(minute);
    });

    test("loses dead members to those who write, and none that lives", async () => {
      const { write, raw, setOf, keyOf, keys, bucket } = await makeScene({ sampling: 100 });
      await write("alive", { sources: ["a"] });
      const dead = Array.from({ length: 20 }, (_, index) => keys.entry({ bucket }, `dead ${index}`, ["1"]));
      await raw.sadd(setOf("a"), ...dead);
      await write("q", { sources: ["a"] });
      expect(await raw.smembers(setOf("a"))).toEqual([await keyOf("alive"), await keyOf("q")].sort());
    });

    test("loses no more dead members at once than are looked at", async () => {
      const { write, raw, setOf, keys, bucket } = await makeScene({ sampling: 2 });
      const dead = Array.from({ length: 20 }, (_, index) => keys.entry({ bucket }, `dead ${index}`, ["1"]));
      await raw.sadd(setOf("a"), ...dead);
      await write("q", { sources: ["a"] });
      expect((await raw.smembers(setOf("a"))).length).toBeGreaterThanOrEqual(19);
    });
  });

  describe("through a dependency set", () => {
    test("only entries are deleted: no other key, and no version counter (H20)", async () => {
      const { open, raw, setOf, change, keys, bucket } = await makeScene();
      await open("docs");
      const [global, level = ""] = keys.versionCounters({ bucket, namespace: "docs" });
      const others = [global, level, keys.fence(bucket), keys.state(bucket), setOf("b"), "session:1"];
      await raw.hset(keys.state(bucket), { x: "1" });
      await raw.sadd(setOf("b"), "x");
      if (bucket === 0) await raw.set("session:1", "mine");
      const before = await raw.keys();
      await raw.sadd(setOf("a"), ...others);
      expect(await change("a")).toMatchObject({ deleted: 0 });
      expect(await raw.keys()).toEqual(before);
    });

    test("an entry of another bucket is not deleted, even when a namespace hides its tag", async () => {
      const { raw, setOf, change, bucket, open } = await makeScene();
      if (bucket === 0) return;
      await open();
      const other = `cache:v1:{0}aaaa{${bucket}}`;
      await raw.hset(other, { query: "q" });
      await raw.sadd(setOf("a"), other);
      expect(await change("a")).toMatchObject({ deleted: 0 });
      expect(await raw.exists(other)).toBe(true);
    });

    test("nothing of another bucket is touched by any step", async () => {
      const scene = await makeScene({ sampling: 10, policy: { inlineLimit: 1 } });
      const { store, raw, keys, bucket } = scene;
      if (bucket === 0) return;
      const stepsIn = async (place: number): Promise<void> => {
        const opened = await store.open({ bucket: place, namespace: "docs" });
        if (opened.kind !== "open") throw new Error(opened.kind);
        for (const query of ["q", "r"]) {
          const entry = { bucket: place, namespace: "docs", query, response: "x", sources: ["a"], ttlMs: minute };
          await store.commit({ ...entry, lease: opened.snapshot });
        }
        await store.acquireFill({ bucket: place, query: "q", token: "x", ttlMs: minute });
        await store.attach({ bucket: place, topic: "t", partition: 0, offset: 3 });
      };
      for (const other of [0, 1, 3]) await stepsIn(other);
      const isOther = (key: string) => !key.includes(`{${bucket}}`);
      const before = await contentOf(raw, isOther);
      await stepsIn(bucket);
      await store.read({ bucket, namespace: "docs", query: "q", versions: [] });
      await scene.drainAll(await scene.change("a"));
      await scene.invalidate({ scopes: [{}, { namespace: "docs" }], barrier: true });
      await store.sweep({ cursor: "0", count: 1_000 });
      await store.heartbeat({ bucket, partitions: [{ topic: "t", partition: 0 }] });
      await store.attach({ bucket, topic: "t", partition: 0, offset: 1 });
      await raw.del(keys.fence(bucket));
      await scene.open();
      expect(await contentOf(raw, isOther)).toEqual(before);
    });

    test("an entry of a namespace that only begins like the version counters is deleted", async () => {
      const { write, change, raw, keyOf } = await makeScene();
      await write("q", { sources: ["a"], namespace: "versions" });
      const key = await keyOf("q", "versions");
      expect(await change("a")).toMatchObject({ deleted: 1 });
      expect(await raw.exists(key)).toBe(false);
    });
  });

  test.each([
    "{1}",
    "article:{x}",
    "a*b?[c]",
    "a:b:c",
    "ünïcode 文書 🦄",
    "with space ",
    "line\nbreak\u0000",
    'quo"te\\',
    "x".repeat(512),
    "42",
  ])("a document may be called %j (H20)", async (document) => {
    const { write, read, change, raw, setOf, keyOf } = await makeScene({ policy: { inlineLimit: 1 } });
    await write("q", { sources: [document] });
    await write("r", { sources: [document] });
    expect(await raw.smembers(setOf(document))).toEqual([await keyOf("q"), await keyOf("r")].sort());
    expect(await read("q")).toMatchObject({ kind: "hit", sources: [document] });
    const reply = await change(document);
    expect(reply.drains).toMatchObject([{ document }]);
    expect(await read("q")).toMatchObject({ kind: "miss" });
    expect((await change(document)).drains).toEqual(reply.drains);
  });
}
