import { describe, expect, test } from "@jest/globals";
import type { SweepRequest } from "@unstale/cache-core";
import { type MakeScene, minute, type Scene } from "../support/store-scene.ts";

const small = { policy: { inlineLimit: 2 } };

/** Three entries on document `a`, which is more than the limit of these scenes. */
async function three({ write }: Scene): Promise<void> {
  for (const query of ["q", "r", "s"]) await write(query, { sources: ["a"] });
}

/** Sets too large for the barrier: taken away, deleted by and by (I3, I7). */
export function describeDrains(makeScene: MakeScene): void {
  describe("a large dependency set", () => {
    test("is taken away at once: nothing is served, and nothing is deleted yet", async () => {
      const scene = await makeScene(small);
      await three(scene);
      const reply = await scene.change("a");
      expect(reply).toMatchObject({ deleted: 0, drains: [{ document: "a", bucket: scene.bucket }] });
      expect(await scene.raw.exists(scene.setOf("a"))).toBe(false);
      expect(await scene.read("q")).toMatchObject({ kind: "miss" });
      expect(await scene.drainAll(reply)).toBe(3);
      for (const query of ["q", "r", "s"]) expect(await scene.raw.exists(await scene.keyOf(query))).toBe(false);
    });

    test("at the limit is still deleted within the barrier", async () => {
      const { write, change } = await makeScene(small);
      await write("q", { sources: ["a"] });
      await write("r", { sources: ["a"] });
      expect(await change("a")).toMatchObject({ deleted: 2, drains: [] });
    });

    test("is one that the budget of the call does not cover", async () => {
      const { write, change } = await makeScene({ policy: { inlineLimit: 10, callBudget: 3 } });
      for (const document of ["a", "b"]) {
        await write(`${document} 1`, { sources: [document] });
        await write(`${document} 2`, { sources: [document] });
      }
      expect(await change("a", "b")).toMatchObject({ deleted: 2, drains: [{ document: "b" }] });
    });

    test("under each prefix is a drain of its own", async () => {
      const scene = await makeScene({ policy: { inlineLimit: 0 } });
      await scene.write("q", { sources: ["a"] });
      await scene.plain("foreign", { sources: ["a"], prefix: 1 });
      const reply = await scene.change("a");
      expect(reply.drains.map(({ document }) => document)).toEqual(["a", "a"]);
      expect(new Set(reply.drains.map(({ token }) => token)).size).toBe(2);
      expect(await scene.drainAll(reply)).toBe(2);
    });

    test("leaves nothing behind when it is drained, and expires when it never is (I8)", async () => {
      const scene = await makeScene(small);
      await three(scene);
      await scene.raw.sadd(scene.setOf("b"), "cache:v1:x", "cache:v1:y", "cache:v1:z");
      const reply = await scene.change("a", "b");
      for (const { token, document } of reply.drains) {
        const left = await scene.raw.pttl(`${scene.keys.drainPrefix(scene.bucket)}${token}:${document}`);
        expect(left).toBeGreaterThan(0);
      }
      await scene.drainAll(reply);
      const left = (await scene.raw.keys()).filter((key) => key.includes("drain"));
      expect(left).toEqual([]);
    });
  });

  describe("a drain", () => {
    test("of 5,000 entries goes on where it stopped, and deletes each (I7)", async () => {
      const { raw, setOf, change, keys, bucket, store, open } = await makeScene();
      const { versions } = await open();
      const entries = Array.from({ length: 5_000 }, (_, index) => keys.entry({ bucket }, `q ${index}`, versions));
      await Promise.all(entries.map((entry) => raw.hset(entry, { query: "q" })));
      await raw.sadd(setOf("a"), ...entries);
      const [drain] = (await change("a")).drains;
      if (!drain) throw new Error("Nothing to drain.");
      let [steps, deleted, most] = [0, 0, 0];
      let position: { cursor: string; replicationId?: number } = { cursor: "0" };
      do {
        const reply = await store.drain({ drain, count: 300, ...position });
        steps += 1;
        if (!("cursor" in reply) || steps > 1_000) throw new Error(`${reply.kind} after ${steps} steps`);
        deleted += reply.deleted;
        most = Math.max(most, reply.deleted);
        position = reply;
      } while (position.cursor !== "0");
      expect(deleted).toBe(5_000);
      expect(steps).toBeGreaterThan(10);
      expect(most).toBeLessThan(600);
      expect((await raw.keys()).filter((key) => entries.includes(key))).toEqual([]);
    });

    test("keeps an entry that was written again after the barrier", async () => {
      const scene = await makeScene(small);
      await three(scene);
      const reply = await scene.change("a");
      await scene.write("q", { sources: ["a"], response: "new" });
      expect(await scene.drainAll(reply)).toBe(2);
      expect(await scene.read("q")).toMatchObject({ kind: "hit", response: "new" });
    });

    test("deletes one that was written again from other documents: a miss, and no look at every lease for it", async () => {
      const scene = await makeScene(small);
      await three(scene);
      const reply = await scene.change("a");
      await scene.write("q", { sources: ["b"] });
      expect(await scene.drainAll(reply)).toBe(3);
      expect(await scene.read("q")).toMatchObject({ kind: "miss" });
    });

    test("goes on where the document's set is a key of another type by now (H14)", async () => {
      const scene = await makeScene(small);
      await three(scene);
      const reply = await scene.change("a");
      await scene.raw.hset(scene.setOf("a"), { wrong: "type" });
      expect(await scene.drainAll(reply)).toBe(3);
    });

    test("says how many it deleted and kept", async () => {
      const scene = await makeScene(small);
      await three(scene);
      const [drain] = (await scene.change("a")).drains;
      await scene.write("q", { sources: ["a"] });
      if (!drain) throw new Error("Nothing to drain.");
      expect(await scene.store.drain({ drain, cursor: "0", count: 100 })).toEqual({
        kind: "finished",
        cursor: "0",
        replicationId: scene.world.replicationId,
        deleted: 2,
        kept: 1,
      });
    });

    test("deletes an entry whose lease is older than the barrier, though a foreign SADD lists it again (H9)", async () => {
      const scene = await makeScene(small);
      await three(scene);
      const reply = await scene.change("a");
      await scene.raw.sadd(scene.setOf("a"), await scene.keyOf("q"));
      expect(await scene.drainAll(reply)).toBe(3);
      expect(await scene.raw.exists(await scene.keyOf("q"))).toBe(false);
    });

    test("deletes an entry without a lease, whoever wrote it", async () => {
      const scene = await makeScene({ policy: { inlineLimit: 0 } });
      const key = await scene.plain("q", { sources: ["a"] });
      const reply = await scene.change("a");
      await scene.raw.sadd(scene.setOf("a"), key);
      expect(await scene.drainAll(reply)).toBe(1);
    });

    test.each(["birth", "replication id"])("deletes an entry whose lease is of another %s", async (part) => {
      const scene = await makeScene(small);
      await three(scene);
      const reply = await scene.change("a");
      scene.world.now += 1_000;
      if (part === "birth") await scene.raw.del(scene.keys.fence(scene.bucket));
      else scene.world.replicationId += 1;
      const lease = await scene.open();
      await scene.write("q", { sources: ["a"], lease });
      expect(lease.clock >= reply.stamp).toBe(true);
      expect(await scene.drainAll(reply)).toBe(3);
    });

    test("begins anew on another server, where its cursor means nothing (H12)", async () => {
      const scene = await makeScene(small);
      await three(scene);
      const [drain] = (await scene.change("a")).drains;
      if (!drain) throw new Error("Nothing to drain.");
      const { replicationId } = scene.world;
      scene.world.replicationId += 1;
      expect(await scene.store.drain({ drain, cursor: "3", replicationId, count: 1 })).toEqual({ kind: "restart" });
      expect(await scene.store.drain({ drain, cursor: "3", count: 1 })).toEqual({ kind: "restart" });
      expect(await scene.store.drain({ drain, cursor: "0", count: 1 })).toMatchObject({ kind: "finished", deleted: 3 });
    });

    test("done twice, by two at once or after it was finished, does no harm", async () => {
      const scene = await makeScene(small);
      await three(scene);
      const reply = await scene.change("a");
      const deleted = await Promise.all([scene.drainAll(reply), scene.drainAll(reply)]);
      expect(deleted[0] + deleted[1]).toBe(3);
      await scene.write("q", { sources: ["a"] });
      expect(await scene.drainAll(reply)).toBe(0);
      expect(await scene.read("q")).toMatchObject({ kind: "hit" });
    });

    test("deletes nothing but entries of its bucket (H20)", async () => {
      const scene = await makeScene({ policy: { inlineLimit: 0 } });
      await scene.open();
      const counter = scene.keys.versionCounters({ bucket: scene.bucket })[0];
      await scene.raw.sadd(scene.setOf("a"), counter, scene.keys.fence(scene.bucket), "cache:version:{0}x");
      expect(await scene.drainAll(await scene.change("a"))).toBe(0);
      expect(await scene.raw.exists(counter)).toBe(true);
    });
  });

  describe("registered drains", () => {
    test("come back with the next change of the document: whoever took the set may have died (H11)", async () => {
      const scene = await makeScene(small);
      await three(scene);
      const [first] = (await scene.change("a")).drains;
      expect((await scene.change("b")).drains).toEqual([]);
      const again = await scene.change("a", "b");
      expect(again.drains).toEqual([first]);
      await three(scene);
      const both = (await scene.change("a")).drains;
      expect(both).toHaveLength(2);
      expect(both[0]).toEqual(first);
      await scene.drainAll({ ...again, drains: both.slice(0, 1) });
      expect((await scene.change("a")).drains).toEqual(both.slice(1));
      await scene.drainAll({ ...again, drains: both.slice(1) });
      expect((await scene.change("a")).drains).toEqual([]);
    });

    test("are told by the heartbeat until they are finished", async () => {
      const scene = await makeScene(small);
      await three(scene);
      const reply = await scene.change("a");
      const heartbeat = () => scene.store.heartbeat({ bucket: scene.bucket, partitions: [] });
      expect(await heartbeat()).toMatchObject({ drains: reply.drains });
      await scene.drainAll(reply);
      expect(await heartbeat()).toMatchObject({ drains: [] });
    });

    test("whose set is gone are finished by a drain that finds nothing", async () => {
      const scene = await makeScene(small);
      await three(scene);
      const reply = await scene.change("a");
      for (const key of await scene.raw.keys()) if (key.includes("drain:")) await scene.raw.del(key);
      expect(await scene.drainAll(reply)).toBe(0);
      expect((await scene.change("a")).drains).toEqual([]);
    });
  });

  describe("a sweep", () => {
    const sweep = async (scene: Scene, request: Partial<SweepRequest> = {}) => {
      const reply = await scene.store.sweep({ cursor: "0", count: 100, ...request });
      if (reply.kind !== "swept") throw new Error(`sweep: ${reply.kind}`);
      return reply;
    };
    const sweepAll = async (scene: Scene, request: Partial<SweepRequest> = {}): Promise<number> => {
      let { cursor, deleted } = await sweep(scene, request);
      while (cursor !== "0") {
        const reply = await sweep(scene, { ...request, cursor });
        cursor = reply.cursor;
        deleted += reply.deleted;
      }
      return deleted;
    };

    test("deletes what was written under a version tag that was raised since, and nothing newer", async () => {
      const scene = await makeScene();
      await scene.write("old");
      const old = await scene.keyOf("old");
      await scene.invalidate({ scopes: [{}] });
      await scene.write("new");
      await scene.write("new", { namespace: "docs" });
      expect(await sweepAll(scene)).toBe(1);
      expect(await scene.raw.exists(old)).toBe(false);
      expect(await scene.read("new")).toMatchObject({ kind: "hit" });
      expect(await scene.read("new", "docs")).toMatchObject({ kind: "hit" });
    });

    test("of a namespace stays in it, its deeper levels included", async () => {
      const scene = await makeScene();
      const namespaces = ["docs", "docs:technical", "docsish", undefined];
      for (const namespace of namespaces) await scene.write("q", namespace === undefined ? {} : { namespace });
      await scene.invalidate({ scopes: [{ namespace: "docs" }] });
      await scene.write("new", { namespace: "docs:technical" });
      expect(await sweepAll(scene, { namespace: "docs" })).toBe(2);
      expect(await scene.read("q", "docsish")).toMatchObject({ kind: "hit" });
      expect(await scene.read("q")).toMatchObject({ kind: "hit" });
      expect(await scene.read("new", "docs:technical")).toMatchObject({ kind: "hit" });
    });

    test("deletes keys of the plain schema, which carry no version (H21), and no version counter", async () => {
      const scene = await makeScene();
      const tag = scene.bucket === 0 ? "" : `{${scene.bucket}}`;
      await scene.open("docs");
      const counters = scene.keys.versionCounters({ bucket: scene.bucket, namespace: "docs" });
      const plain = [`cache:docs:${tag}0123456789abcdef`, `cache:docs:technical:${tag}0123`];
      for (const key of plain) await scene.raw.hset(key, { query: "q" });
      await scene.raw.hset(`cache:${tag}0123`, { query: "q" });
      expect(await sweepAll(scene, { namespace: "docs" })).toBe(2);
      for (const key of plain) expect(await scene.raw.exists(key)).toBe(false);
      expect(await sweepAll(scene)).toBe(1);
      for (const counter of counters) expect(await scene.raw.exists(counter)).toBe(true);
    });

    test("of many keys takes many steps and meets every one, though they vanish under it", async () => {
      const scene = await makeScene();
      const { versions } = await scene.open();
      const entries = Array.from({ length: 1_000 }, (_, index) =>
        scene.keys.entry({ bucket: scene.bucket }, `q ${index}`, versions),
      );
      await Promise.all(entries.map((entry) => scene.raw.hset(entry, { query: "q" })));
      await scene.invalidate({ scopes: [{}] });
      const { cursor } = await sweep(scene, { count: 50 });
      expect(cursor).not.toBe("0");
      await sweepAll(scene, { count: 50 });
      expect((await scene.raw.keys()).filter((key) => key.startsWith("cache:v") && !key.includes("version"))).toEqual(
        [],
      );
    });

    test("begins anew on another server, where its cursor means nothing (H12)", async () => {
      const scene = await makeScene();
      const tag = scene.bucket === 0 ? "" : `{${scene.bucket}}`;
      const entries = Array.from({ length: 1_000 }, (_, index) => `cache:docs:${tag}${index}`);
      await Promise.all(entries.map((entry) => scene.raw.hset(entry, { query: "q" })));
      const { cursor } = await sweep(scene, { namespace: "docs" });
      // The other server has what was deleted before the promotion, wherever its scan would meet it.
      await Promise.all(entries.map((entry) => scene.raw.hset(entry, { query: "q" })));
      scene.world.replicationId += 1;
      expect(await sweepAll(scene, { namespace: "docs", cursor })).toBe(1_000);
      expect((await scene.raw.keys()).filter((key) => key.startsWith("cache:docs:"))).toEqual([]);
    });
  });

  test("an entry deleted by a drain is not missed by those that outlive it", async () => {
    const scene = await makeScene(small);
    await three(scene);
    await scene.write("t", { sources: ["b"], ttlMs: 2 * minute });
    await scene.drainAll(await scene.change("a"));
    expect(await scene.read("t")).toMatchObject({ kind: "hit" });
  });
}
