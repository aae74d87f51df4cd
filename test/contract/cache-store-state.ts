import { describe, expect, test } from "@jest/globals";
import type { DeploymentRecord } from "@unstale/cache-core";
import { contentOf, type MakeScene, minute } from "../support/store-scene.ts";

const micros = 1_000;
const partition = { topic: "cms.documents", partition: 3 };

/** heartbeat, attach, configure; pruning; formats of the future. */
export function describeState(makeScene: MakeScene): void {
  describe("a heartbeat", () => {
    test("tells where the bucket stands, and what was applied", async () => {
      const { store, bucket, change, invalidate, open, world } = await makeScene();
      const { birth } = await open();
      await change("a", "b");
      await invalidate({ position: { ...partition, previous: 0, next: 9 } });
      world.now += 1;
      expect(await store.heartbeat({ bucket, partitions: [partition, { ...partition, partition: 4 }] })).toEqual({
        kind: "alive",
        applied: [9, undefined],
        clock: world.now + 1,
        birth,
        replicationId: world.replicationId,
        floor: world.now - 1,
        fences: 2,
        born: false,
        drains: [],
        at: world.now,
      });
    });

    test("gives birth to what is lost, and says so once", async () => {
      const { store, bucket, raw, keys } = await makeScene();
      expect(await store.heartbeat({ bucket, partitions: [] })).toMatchObject({ born: true });
      expect(await store.heartbeat({ bucket, partitions: [] })).toMatchObject({ born: false });
      await raw.del(keys.fence(bucket));
      expect(await store.heartbeat({ bucket, partitions: [] })).toMatchObject({ born: true });
    });

    test("creates the version counter again at a value never used (H3)", async () => {
      const { store, bucket, raw, keys, open } = await makeScene();
      const before = (await open()).versions[0];
      const counter = keys.versionCounters({ bucket })[0];
      await raw.del(counter);
      await store.heartbeat({ bucket, partitions: [] });
      expect(await raw.get(counter)).toMatch(/^\d{16}$/);
      expect(await raw.get(counter)).not.toBe(before);
    });

    test("takes over the id of another server: leases from before are refused, fences stay", async () => {
      const { store, bucket, open, write, change, read, world } = await makeScene();
      await write("q", { sources: ["a"] });
      const lease = await open();
      await change("b");
      world.replicationId += 1;
      const reply = await store.heartbeat({ bucket, partitions: [] });
      expect(reply).toMatchObject({ born: false, fences: 1, birth: lease.birth, replicationId: world.replicationId });
      expect(await write("r", { lease, sources: ["c"] })).toEqual({ kind: "refused", reason: "lost" });
      expect(await read("q")).toMatchObject({ kind: "hit" });
    });
  });

  describe("attaching a partition", () => {
    test("always writes where it begins, so that a later loss shows (H7, H22)", async () => {
      const { store, bucket, raw, keys, invalidate } = await makeScene();
      expect(await store.attach({ bucket, ...partition, offset: 0 })).toEqual({ kind: "attached", barrier: false });
      expect(await raw.hgetall(keys.state(bucket))).toEqual({ [keys.appliedField(partition)]: "0" });
      await invalidate({ position: { ...partition, previous: 0, next: 4 } });
      expect(await store.attach({ bucket, ...partition, offset: 4 })).toEqual({
        kind: "attached",
        previous: 4,
        barrier: false,
      });
    });

    test("forward says what was there, and is no barrier", async () => {
      const { store, bucket, write, read } = await makeScene();
      await store.attach({ bucket, ...partition, offset: 3 });
      await write("q");
      const reply = await store.attach({ bucket, ...partition, offset: 8 });
      expect(reply).toEqual({ kind: "attached", previous: 3, barrier: false });
      expect(await read("q")).toMatchObject({ kind: "hit" });
      expect(await store.heartbeat({ bucket, partitions: [partition] })).toMatchObject({ applied: [8] });
    });

    test("below what was applied is a barrier: the topic is another one (H8)", async () => {
      const { store, bucket, write, read, open, raw, keys } = await makeScene();
      await store.attach({ bucket, ...partition, offset: 100 });
      await write("q");
      const lease = await open();
      expect(await store.attach({ bucket, ...partition, offset: 2 })).toEqual({
        kind: "attached",
        previous: 100,
        barrier: true,
      });
      expect(await read("q")).toMatchObject({ kind: "miss" });
      expect(await write("q", { lease })).toMatchObject({ kind: "refused" });
      await raw.set(keys.versionCounters({ bucket })[0], lease.versions[0] ?? "");
      expect(await write("q", { lease })).toEqual({ kind: "refused", reason: "old" });
      expect(await store.heartbeat({ bucket, partitions: [partition] })).toMatchObject({ applied: [2] });
      await write("q");
      expect(await read("q")).toMatchObject({ kind: "hit" });
    });

    test("below what was applied is no barrier where the caller has seen to it", async () => {
      const { store, bucket, write, read } = await makeScene();
      await store.attach({ bucket, ...partition, offset: 100 });
      await write("q");
      const reply = await store.attach({ bucket, ...partition, offset: 2, barrier: false });
      expect(reply).toEqual({ kind: "attached", previous: 100, barrier: false });
      expect(await read("q")).toMatchObject({ kind: "hit" });
      expect(await store.heartbeat({ bucket, partitions: [partition] })).toMatchObject({ applied: [2] });
    });

    test("below what was applied creates a version counter that is gone", async () => {
      const { store, bucket, open, raw, keys } = await makeScene();
      await open();
      const counter = keys.versionCounters({ bucket })[0];
      for (const broken of ["gone", "abc"]) {
        await store.attach({ bucket, ...partition, offset: 100 });
        if (broken === "gone") await raw.del(counter);
        else await raw.set(counter, broken);
        await store.attach({ bucket, ...partition, offset: 2 });
        expect(await raw.get(counter)).toMatch(/^\d{16}$/);
      }
    });
  });

  describe("pruning", () => {
    const most3 = { policy: { maxFences: 3 } };

    test("by count forgets the oldest fences, and raises the floor to the highest of them", async () => {
      const { change, raw, keys, bucket, store } = await makeScene(most3);
      const stamps: number[] = [];
      for (const id of ["a", "b", "c"]) stamps.push((await change(id)).stamp);
      expect(await change("d")).toMatchObject({ pruned: 1 });
      expect(await change("e")).toMatchObject({ pruned: 1 });
      expect(await raw.zscore(keys.fence(bucket), "b")).toBeUndefined();
      expect(await raw.zscore(keys.fence(bucket), "c")).toBe(stamps[2]);
      expect(await store.heartbeat({ bucket, partitions: [] })).toMatchObject({
        fences: 3,
        floor: stamps[1],
        born: false,
      });
    });

    test("refuses the leases from before, and leaves the state itself whole", async () => {
      const { change, open, write, read } = await makeScene(most3);
      const first = await open();
      await change("a");
      const second = await open();
      for (const id of ["b", "c", "d"]) await change(id);
      expect(await write("q", { lease: first, sources: ["x"] })).toEqual({ kind: "refused", reason: "old" });
      expect(await write("q", { lease: second, sources: ["x"] })).toEqual({ kind: "written" });
      expect(await read("q")).toMatchObject({ kind: "hit" });
      expect((await open()).birth).toBe(first.birth);
    });

    test("does not un-hide an entry (H24)", async () => {
      const { change, write, read, raw, setOf, keyOf } = await makeScene(most3);
      await write("q", { sources: ["a"] });
      await raw.del(setOf("a"));
      await change("a");
      for (const id of ["b", "c", "d"]) await change(id);
      await raw.sadd(setOf("a"), await keyOf("q"));
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("by age forgets what is older than the longest TTL", async () => {
      const { change, store, bucket, raw, keys, world } = await makeScene({ policy: { maxTtlMs: minute } });
      const { stamp } = await change("a");
      world.now += 30_000 * micros;
      await change("b");
      world.now += 31_000 * micros;
      expect(await store.heartbeat({ bucket, partitions: [] })).toMatchObject({ fences: 1, floor: stamp });
      expect(await raw.zscore(keys.fence(bucket), "a")).toBeUndefined();
      world.now += 60_000 * micros;
      expect(await change("c")).toMatchObject({ pruned: 1 });
      expect(await store.heartbeat({ bucket, partitions: [] })).toMatchObject({ fences: 1, born: false });
    });

    test("forgets the versions of these documents, too", async () => {
      const { invalidate, raw, keys, bucket } = await makeScene(most3);
      for (const id of ["a", "b", "c", "d"]) await invalidate({ documents: [{ id, version: 1 }] });
      const versions = keys.documentVersions(bucket);
      expect(await raw.zscore(versions, "a")).toBeUndefined();
      expect(await raw.zscore(versions, "b")).toBe(1);
      expect(await raw.zscore(versions, " since")).toBeDefined();
    });

    test("of many goes a bounded number at a time (I7)", async () => {
      const { change, world, store, bucket, raw, keys } = await makeScene({ policy: { maxTtlMs: minute } });
      for (const batch of [0, 1, 2]) {
        await change(...Array.from({ length: 500 }, (_, index) => `doc:${batch}:${index}`));
      }
      world.now += 2 * minute * micros;
      const second = await raw.zscore(keys.fence(bucket), "doc:1:0");
      expect(await change("x")).toMatchObject({ pruned: 1_000 });
      expect(await raw.zscore(keys.fence(bucket), " floor")).toBe(second);
      expect(await change("y")).toMatchObject({ pruned: 500 });
      expect(await store.heartbeat({ bucket, partitions: [] })).toMatchObject({ fences: 2, born: false });
    });

    test("of many by count goes a bounded number at a time (I7)", async () => {
      const { change, open, bucket, raw, keys } = await makeScene({ policy: { maxFences: 10 } });
      const { clock } = await open();
      const surplus = Array.from({ length: 1_500 }, (_, index) => `doc:${index}`);
      await Promise.all(surplus.map((id, index) => raw.zadd(keys.fence(bucket), id, clock - 1_500 + index)));
      expect(await change("x")).toMatchObject({ pruned: 1_000 });
      expect(await change("y")).toMatchObject({ pruned: 492 });
    });
  });

  describe("keys of a newer format", () => {
    test("are a miss, a refusal, and untouched", async () => {
      const scene = await makeScene({ policy: { inlineLimit: 0 } });
      const { store, bucket, raw, keys } = scene;
      await scene.write("q");
      await scene.write("drained", { sources: ["a large set"] });
      // A sweep would delete it.
      await raw.hset(keys.entry({ bucket }, "of another version", ["1"]), { query: "q" });
      const lease = await scene.open();
      const lock = { bucket, query: "q", token: "ours", ttlMs: 60_000 };
      await store.acquireFill(lock);
      const [drain] = (await scene.change("a large set")).drains;
      if (!drain) throw new Error("Nothing to drain.");
      await raw.zadd(keys.fence(bucket), " format", 2);
      const before = await contentOf(raw);
      expect(await scene.read("q")).toEqual({ kind: "format" });
      expect(await scene.read("nothing")).toEqual({ kind: "format" });
      expect(await store.open({ bucket })).toEqual({ kind: "format" });
      expect(await scene.write("q", { lease })).toEqual({ kind: "refused", reason: "format" });
      expect(await scene.write("q", { lease: { versions: lease.versions } })).toMatchObject({ reason: "format" });
      expect(await scene.invalidate({ documents: [{ id: "article:1" }] })).toEqual({ kind: "format" });
      expect(await store.heartbeat({ bucket, partitions: [] })).toEqual({ kind: "format" });
      expect(await store.attach({ bucket, ...partition, offset: 1 })).toEqual({ kind: "format" });
      expect(await store.drain({ drain, cursor: "0", count: 1 })).toEqual({ kind: "format" });
      expect(await store.drain({ drain, cursor: "9", replicationId: 7, count: 1 })).toEqual({ kind: "format" });
      expect(await store.sweep({ cursor: "0", count: 1_000 })).toEqual({ kind: "format" });
      expect(await store.acquireFill({ ...lock, token: "theirs" })).toEqual({ kind: "format" });
      expect(await store.acquireFill({ ...lock, query: "another" })).toEqual({ kind: "format" });
      expect(await store.renewFill({ ...lock, ttlMs: 3_600_000 })).toEqual({ kind: "format" });
      await store.releaseFill(lock);
      expect(await contentOf(raw)).toEqual(before);
    });

    test("are not taken for lost state, whatever else they lack", async () => {
      const { raw, keys, bucket, open, store, invalidate } = await makeScene();
      await open();
      await raw.zadd(keys.fence(bucket), " format", 2);
      await raw.zrem(keys.fence(bucket), " floor");
      expect(await store.open({ bucket })).toEqual({ kind: "format" });
      expect(await invalidate({ documents: [{ id: "a" }] })).toEqual({ kind: "format" });
      expect(await raw.zscore(keys.fence(bucket), " format")).toBe(2);
    });

    test("are one entry's matter when only its lease is newer: a miss, and overwritten", async () => {
      const { write, read, raw, keyOf } = await makeScene();
      await write("q");
      const key = await keyOf("q");
      const { lease = "" } = await raw.hgetall(key);
      await raw.hset(key, { lease: lease.replace(/^1:/, "2:") });
      expect(await read("q")).toMatchObject({ kind: "miss" });
      await write("q");
      expect(await read("q")).toMatchObject({ kind: "hit" });
    });
  });

  describe("the deployment record", () => {
    const record: DeploymentRecord = {
      format: 1,
      id: "group",
      buckets: 1,
      entryPrefix: "cache:",
      dependencyPrefixes: ["doc_deps:", "deps:"],
      foreignWriters: true,
    };

    test("is written by the first to come, and read by all", async () => {
      const { store } = await makeScene();
      expect(await store.deployment()).toBeUndefined();
      expect(await store.configure(record)).toEqual(record);
      expect(await store.configure({ ...record, id: "another", buckets: 4 })).toEqual(record);
      expect(await store.deployment()).toEqual(record);
    });

    test("takes fields that were missing, such as the workers' group", async () => {
      const { store } = await makeScene();
      await store.configure(record);
      expect(await store.configure({ ...record, group: "unstale" })).toEqual({ ...record, group: "unstale" });
      expect(await store.configure({ ...record, group: "other" })).toEqual({ ...record, group: "unstale" });
      expect(await store.configure(record)).toEqual({ ...record, group: "unstale" });
    });

    test("of a newer format is left as it is, whatever it says and lacks", async () => {
      const { store, raw, keys } = await makeScene();
      const newer = { format: "2", entries: "elsewhere" };
      await raw.hset(keys.config, newer);
      expect(await store.configure({ ...record, group: "unstale" })).toEqual({ kind: "format", format: 2 });
      expect(await store.deployment()).toEqual({ kind: "format", format: 2 });
      expect(await raw.hgetall(keys.config)).toEqual(newer);
    });

    test.each([
      ["lacks a field", { format: "1" }, "UNSTALE_CONFIG_MISMATCH"],
      ["has prefixes that are none", { dependencyPrefixes: "doc_deps:" }, "UNSTALE_CONFIG_MISMATCH"],
    ])("that %s is an error that says so", async (_, fields, code) => {
      const { store, raw, keys } = await makeScene();
      if (!("format" in fields)) await store.configure(record);
      await raw.hset(keys.config, fields);
      await expect(store.deployment()).rejects.toMatchObject({ code, retryable: false });
    });

    test("of another type is an error that says so", async () => {
      const { store, raw, keys } = await makeScene();
      await raw.set(keys.config, "mine");
      await expect(store.configure(record)).rejects.toMatchObject({ code: "UNSTALE_VALKEY_REFUSED" });
      await expect(store.deployment()).rejects.toMatchObject({ code: "UNSTALE_VALKEY_REFUSED" });
    });
  });

  test("a closed store takes no step, and may be closed again", async () => {
    const { store, bucket } = await makeScene();
    await store.close();
    await store.close();
    await expect(store.open({ bucket })).rejects.toMatchObject({ code: "UNSTALE_CLOSED" });
  });
}
