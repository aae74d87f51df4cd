import { describe, expect, test } from "@jest/globals";
import { type MakeScene, minute } from "../support/store-scene.ts";

/** read, open, commit: an entry's ordinary life, and why a commit is refused (I1, I2). */
export function describeEntries(makeScene: MakeScene): void {
  describe("an entry", () => {
    test("is lost before anything was opened, and a miss with a lease afterwards (I4)", async () => {
      const { store, bucket, open, read, world } = await makeScene();
      expect(await store.read({ bucket, query: "q", versions: [] })).toEqual({ kind: "lost" });
      const snapshot = await open();
      expect(snapshot).toMatchObject({ clock: world.now, at: world.now, replicationId: world.replicationId });
      expect(snapshot.versions).toHaveLength(1);
      world.now += 5;
      expect(await read("q")).toEqual({ kind: "miss", snapshot: { ...snapshot, at: world.now } });
    });

    test("is asked for under the versions of now, whatever the caller knows", async () => {
      const { store, bucket, open, write } = await makeScene();
      const { versions } = await open();
      await write("q");
      expect(await store.read({ bucket, query: "q", versions: ["1"] })).toEqual({ kind: "moved", versions });
      expect(await store.read({ bucket, query: "q", versions })).toMatchObject({ kind: "hit" });
    });

    test.each([
      ["text", { response: "9.99 €" }, { response: "9.99 €" }],
      ["empty text", { response: "" }, { response: "" }],
      ["another codec", { response: "{}", codec: "json" }, { response: "{}", codec: "json" }],
      ["no sources", { sources: [] }, { sources: [] }],
      ["several sources", { sources: ["a", "12", "b c"] }, { sources: ["a", "12", "b c"] }],
    ])("committed with %s is served as it was", async (_, write, expected) => {
      const scene = await makeScene();
      expect(await scene.write("q", write)).toEqual({ kind: "written" });
      const hit = { kind: "hit", response: "to q", sources: ["article:1"], ...expected };
      expect(await scene.read("q")).toEqual(hit);
    });

    test("with other text under the same hash is a miss (a collision)", async () => {
      const { write, read, raw, keyOf } = await makeScene();
      await write("q");
      await raw.hset(await keyOf("q"), { query: "another" });
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("expires after its TTL, and so does its dependency set", async () => {
      const { write, raw, keyOf, setOf } = await makeScene({ policy: { foreignWriters: false } });
      await write("q", { sources: ["a"], ttlMs: minute });
      for (const key of [await keyOf("q"), setOf("a")]) {
        const left = await raw.pttl(key);
        expect(left).toBeGreaterThan(minute - 10_000);
        expect(left).toBeLessThanOrEqual(minute);
      }
    });

    test("that is gone is a miss", async () => {
      const { write, read, raw, keyOf } = await makeScene();
      await write("q");
      await raw.del(await keyOf("q"));
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("written again with fewer fields keeps none of the old ones (H19)", async () => {
      const { write, read, raw, keyOf } = await makeScene();
      await write("q", { codec: "json" });
      await raw.hset(await keyOf("q"), { strange: "field" });
      await write("q", { response: "plain" });
      expect(Object.keys(await raw.hgetall(await keyOf("q"))).sort()).toEqual([
        "lease",
        "query",
        "response",
        "sources",
      ]);
      expect(await read("q")).toEqual({ kind: "hit", response: "plain", sources: ["article:1"] });
    });

    test("in a namespace is another one than without, or on another level", async () => {
      const { write, read } = await makeScene();
      for (const namespace of [undefined, "docs", "docs:technical"]) {
        await write("q", { response: `in ${namespace}`, ...(namespace && { namespace }) });
      }
      for (const namespace of [undefined, "docs", "docs:technical"]) {
        expect(await read("q", namespace)).toMatchObject({ kind: "hit", response: `in ${namespace}` });
      }
    });

    test("in a namespace keeps that namespace's version counters alive, at least as long as itself (I8)", async () => {
      const { write, raw, keys, bucket } = await makeScene({ policy: { maxTtlMs: 10 * minute } });
      await write("q", { namespace: "docs:technical" });
      const [global = "", ...levels] = keys.versionCounters({ bucket, namespace: "docs:technical" });
      expect(await raw.pttl(global)).toBe(-1);
      for (const level of levels) {
        await raw.pexpire(level, 1_000);
        await write("q", { namespace: "docs:technical", ttlMs: 5 * minute });
        expect(await raw.pttl(level)).toBeGreaterThan(9 * minute);
      }
    });
  });

  describe("a commit", () => {
    test("is refused when a source changed since the lease, and says which and when (I2)", async () => {
      const { open, write, read, change, world } = await makeScene();
      const lease = await open();
      world.now += 38_000;
      const { stamp } = await change("b");
      const reply = await write("q", { lease, sources: ["a", "b"] });
      expect(reply).toEqual({ kind: "refused", reason: "changed", document: "b", changedAt: stamp });
      expect(stamp - lease.at).toBe(38_000);
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("is written when other documents changed since the lease", async () => {
      const { open, write, change } = await makeScene();
      const lease = await open();
      await change("c");
      expect(await write("q", { lease, sources: ["a", "b"] })).toEqual({ kind: "written" });
    });

    test("is written by a lease that was taken right after the change, in the same microsecond", async () => {
      const { open, write, read, change } = await makeScene();
      await open();
      await change("a");
      expect(await write("q", { lease: await open(), sources: ["a"] })).toEqual({ kind: "written" });
      expect(await read("q")).toMatchObject({ kind: "hit" });
    });

    test("that is refused leaves the entry that is there, and lists nothing", async () => {
      const { open, write, read, change, raw, setOf } = await makeScene();
      const lease = await open();
      await change("a");
      await write("q", { sources: ["b"], response: "fresh" });
      await write("q", { lease, sources: ["a", "c"], response: "stale" });
      expect(await read("q")).toMatchObject({ kind: "hit", response: "fresh" });
      expect(await raw.exists(setOf("c"))).toBe(false);
    });

    test("built under a version tag that was raised since is refused, and no key of either version is there (H1)", async () => {
      const { open, write, read, invalidate, keyOf, raw } = await makeScene();
      const lease = await open();
      const before = await keyOf("q");
      await invalidate({ scopes: [{}] });
      const now = await open();
      const reply = await write("q", { lease });
      expect(reply).toEqual({ kind: "refused", reason: "version", versions: now.versions });
      expect(await read("q")).toMatchObject({ kind: "miss" });
      expect(await raw.exists(before)).toBe(false);
      expect(await raw.exists(await keyOf("q"))).toBe(false);
    });

    test("without a lease is not fenced: written after a change, and served until the next one", async () => {
      const { open, write, read, change, raw, keyOf } = await makeScene();
      const { versions } = await open();
      await change("a");
      expect(await write("q", { lease: { versions }, sources: ["a"] })).toEqual({ kind: "written" });
      expect(await raw.hgetall(await keyOf("q"))).not.toHaveProperty("lease");
      expect(await read("q")).toMatchObject({ kind: "hit" });
      await change("a");
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("without a lease is refused under a raised version, too", async () => {
      const { open, write, invalidate } = await makeScene();
      const { versions } = await open();
      await invalidate({ scopes: [{}] });
      expect(await write("q", { lease: { versions } })).toMatchObject({ kind: "refused", reason: "version" });
    });

    test("replaces an entry with a lease by one without: the old lease does not vouch for it", async () => {
      const { open, write, read, raw, setOf } = await makeScene();
      const { versions } = await open();
      await write("q", { sources: ["a"] });
      await write("q", { sources: ["a"], lease: { versions } });
      await raw.del(setOf("a"));
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("with 256 sources is one step, and each of them invalidates it (H18)", async () => {
      const { write, read, change } = await makeScene();
      const sources = Array.from({ length: 256 }, (_, index) => `doc:${index}`);
      expect(await write("q", { sources })).toEqual({ kind: "written" });
      expect(await read("q")).toMatchObject({ kind: "hit", sources });
      await change("doc:255");
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });
  });

  describe("a fill lock", () => {
    const place = { query: "q", ttlMs: minute };

    test("has one holder, who may renew it and give it back", async () => {
      const { store, bucket } = await makeScene();
      const [ours, theirs] = [
        { ...place, bucket, token: "ours" },
        { ...place, bucket, token: "theirs" },
      ];
      expect(await store.acquireFill(ours)).toEqual({ kind: "held" });
      expect(await store.acquireFill(theirs)).toEqual({ kind: "taken" });
      expect(await store.renewFill(theirs)).toEqual({ kind: "taken" });
      await store.releaseFill(theirs);
      expect(await store.renewFill(ours)).toEqual({ kind: "held" });
      await store.releaseFill(ours);
      expect(await store.renewFill(ours)).toEqual({ kind: "taken" });
      expect(await store.acquireFill(theirs)).toEqual({ kind: "held" });
    });

    test("is one for each namespace", async () => {
      const { store, bucket } = await makeScene();
      expect(await store.acquireFill({ ...place, bucket, token: "a" })).toEqual({ kind: "held" });
      expect(await store.acquireFill({ ...place, bucket, token: "b", namespace: "docs" })).toEqual({ kind: "held" });
    });

    test("ends with its holder's silence; renewing prolongs it", async () => {
      const { store, bucket, raw, keys } = await makeScene();
      const request = { ...place, bucket, token: "ours" };
      await store.acquireFill(request);
      const key = keys.fillLock({ bucket }, "q");
      expect(await raw.pttl(key)).toBeGreaterThan(minute - 10_000);
      await store.renewFill({ ...request, ttlMs: 2 * minute });
      expect(await raw.pttl(key)).toBeGreaterThan(minute);
    });
  });
}
