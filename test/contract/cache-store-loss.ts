import { describe, expect, test } from "@jest/globals";
import type { MakeScene, Scene } from "../support/store-scene.ts";

/** State that is gone, of another type, or of another moment (I4, I5). */
export function describeLoss(makeScene: MakeScene): void {
  describe("a lost fence key (H4)", () => {
    test.each(["", " format", " clock", " birth", " replid", " floor"])(
      "(member %j) is a miss and a refusal",
      async (member) => {
        const { write, read, open, raw, keys, bucket } = await makeScene();
        await write("q", { sources: ["a"] });
        const lease = await open();
        if (member === "") await raw.del(keys.fence(bucket));
        else await raw.zrem(keys.fence(bucket), member);
        expect(await read("q")).toEqual({ kind: "lost" });
        expect(await read("nothing")).toEqual({ kind: "lost" });
        expect(await write("q", { lease })).toEqual({ kind: "refused", reason: "lost" });
        const plain = { lease: { versions: lease.versions } };
        expect(await write("q", plain)).toEqual({ kind: "refused", reason: "lost" });
      },
    );

    test("is born anew: old leases are refused, new ones are good at once (H6)", async () => {
      const { write, read, open, raw, keys, bucket, world } = await makeScene();
      await write("q", { sources: ["a"] });
      const lease = await open();
      await raw.zrem(keys.fence(bucket), " floor");
      world.now += 1_000;
      const born = await open();
      expect(born.birth).not.toBe(lease.birth);
      expect(born.clock).toBeGreaterThan(lease.clock);
      expect(await write("q", { lease })).toEqual({ kind: "refused", reason: "lost" });
      expect(await read("q")).toMatchObject({ kind: "miss" });
      expect(await write("q", { lease: born })).toEqual({ kind: "written" });
      expect(await read("q")).toMatchObject({ kind: "hit" });
    });

    test("that only lost its floor never lets the clock fall back, whatever the time", async () => {
      const { open, raw, keys, bucket, world } = await makeScene();
      const lease = await open();
      await raw.zrem(keys.fence(bucket), " floor");
      world.now -= 1_000_000;
      expect((await open()).clock).toBe(lease.clock + 1);
    });

    test("that only lost its clock drops fences that the new one has not reached: no writer is kept out", async () => {
      const { open, change, write, raw, keys, bucket, world } = await makeScene();
      await change("a");
      await raw.zrem(keys.fence(bucket), " clock");
      world.now -= 1_000_000;
      await open();
      expect(await raw.zscore(keys.fence(bucket), "a")).toBeUndefined();
      expect(await write("q", { sources: ["a"] })).toEqual({ kind: "written" });
    });

    test("does not un-hide what its fences hid, though a foreign SADD lists it again (H24)", async () => {
      const { write, read, open, change, raw, keys, bucket, setOf, keyOf } = await makeScene();
      await write("q", { sources: ["a"] });
      await raw.del(setOf("a"));
      await change("a");
      await raw.del(keys.fence(bucket));
      await raw.sadd(setOf("a"), await keyOf("q"));
      expect(await read("q")).toEqual({ kind: "lost" });
      await open();
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("leaves the listing as the witness where no foreign writer shares the keys", async () => {
      const { write, read, open, change, raw, keys, bucket, setOf } = await makeScene({
        policy: { foreignWriters: false },
      });
      await write("q", { sources: ["a", "b"] });
      await write("r", { sources: ["b"] });
      await raw.del(keys.fence(bucket));
      expect(await read("q")).toMatchObject({ kind: "hit" });
      await open();
      expect(await read("q")).toMatchObject({ kind: "hit" });
      await change("a");
      expect(await read("q")).toMatchObject({ kind: "miss" });
      await raw.del(setOf("b"));
      expect(await read("r")).toMatchObject({ kind: "miss" });
    });
  });

  describe("a failover", () => {
    /** Another server answers, with the keys as they were. */
    const failover = async ({ world }: Scene, restore: () => Promise<void>): Promise<void> => {
      await restore();
      world.replicationId += 1;
    };

    test("that lost a version's raise, which is repeated, does not admit what was built in between (H2)", async () => {
      const scene = await makeScene();
      await scene.open();
      const restore = await scene.raw.snapshot();
      await scene.invalidate({ scopes: [{}] });
      const lease = await scene.open();
      await failover(scene, restore);
      await scene.invalidate({ scopes: [{}] });
      expect((await scene.open()).versions).toEqual(lease.versions);
      expect(await scene.write("q", { lease })).toEqual({ kind: "refused", reason: "lost" });
    });

    test("to a clock that is behind does not admit a lease whose number comes again (H5)", async () => {
      const scene = await makeScene();
      await scene.open();
      const restore = await scene.raw.snapshot();
      await scene.change("a");
      await scene.change("a");
      const lease = await scene.open();
      await failover(scene, restore);
      scene.world.now -= 60_000_000;
      // Even before anything noticed the promotion:
      expect(await scene.write("q", { lease, sources: ["a"] })).toEqual({ kind: "refused", reason: "lost" });
      for (let change = 0; change < 3; change += 1) await scene.change("a");
      expect(await scene.write("q", { lease, sources: ["b"] })).toEqual({ kind: "refused", reason: "lost" });
    });

    test("keeps serving what is listed, and hides what has a fence above its lease (H23)", async () => {
      const scene = await makeScene();
      await scene.write("q", { sources: ["a"] });
      await scene.write("r", { sources: ["b"] });
      await scene.raw.del(scene.setOf("a"));
      await scene.change("a");
      scene.world.replicationId += 1;
      await scene.store.heartbeat({ bucket: scene.bucket, partitions: [] });
      await scene.raw.sadd(scene.setOf("a"), await scene.keyOf("q"));
      expect(await scene.read("q")).toMatchObject({ kind: "miss" });
      expect(await scene.read("r")).toMatchObject({ kind: "hit" });
      await scene.raw.del(scene.setOf("b"));
      expect(await scene.read("r")).toMatchObject({ kind: "miss" });
    });

    test("that lost applied events shows in the account, and their replay mends it (I5)", async () => {
      const scene = await makeScene();
      const position = { topic: "t", partition: 0, previous: 0, next: 1 };
      await scene.store.attach({ bucket: scene.bucket, ...position, offset: 0 });
      await scene.invalidate({ documents: [{ id: "x" }], position });
      await scene.write("q", { sources: ["a"] });
      const restore = await scene.raw.snapshot();
      await scene.invalidate({ documents: [{ id: "a" }], position: { ...position, previous: 1, next: 2 } });
      await failover(scene, restore);
      const { bucket } = scene;
      expect(await scene.store.heartbeat({ bucket, partitions: [position] })).toMatchObject({ applied: [1] });
      const next = { documents: [{ id: "y" }], position: { ...position, previous: 2, next: 3 } };
      expect(await scene.invalidate(next)).toEqual({ kind: "rollback", applied: 1 });
      await scene.invalidate({ documents: [{ id: "a" }], position: { ...position, previous: 1, next: 2 } });
      expect(await scene.read("q")).toMatchObject({ kind: "miss" });
      expect(await scene.invalidate(next)).toMatchObject({ kind: "applied" });
    });

    test("that lost the first batch of a partition is noticed (H7, H22)", async () => {
      const scene = await makeScene();
      const position = { topic: "t", partition: 0, previous: 0, next: 1 };
      await scene.write("q", { sources: ["a"] });
      const restore = await scene.raw.snapshot();
      await scene.store.attach({ bucket: scene.bucket, ...position, offset: 0 });
      await scene.invalidate({ documents: [{ id: "a" }], position });
      await failover(scene, restore);
      expect(await scene.read("q")).toMatchObject({ kind: "hit" });
      const reply = await scene.invalidate({
        documents: [{ id: "b" }],
        position: { ...position, previous: 1, next: 2 },
      });
      expect(reply).toMatchObject({ kind: "applied", barrier: true });
      expect(await scene.read("q")).toMatchObject({ kind: "miss" });
    });

    test("leaves drains registered, to be finished under the new id", async () => {
      const scene = await makeScene({ policy: { inlineLimit: 0 } });
      await scene.write("q", { sources: ["a"] });
      const reply = await scene.change("a");
      const restore = await scene.raw.snapshot();
      await failover(scene, restore);
      expect((await scene.change("a")).drains).toEqual(reply.drains);
      expect(await scene.drainAll(reply)).toBe(1);
    });
  });

  test("after a flush all is a miss, then new, and nothing from before is written", async () => {
    const { write, read, open, raw } = await makeScene();
    await write("q", { sources: ["a"] });
    const lease = await open();
    await raw.flush();
    expect(await read("q")).toEqual({ kind: "lost" });
    expect(await write("q", { lease })).toEqual({ kind: "refused", reason: "lost" });
    const now = await open();
    expect(await read("q")).toMatchObject({ kind: "miss" });
    expect(now.versions).not.toEqual(lease.versions);
    expect(await write("q", { lease: { ...lease, versions: now.versions } })).toMatchObject({ reason: "lost" });
  });

  describe("a step that is aborted in its midst", () => {
    // Nothing that a caller of the library can send: they only make the server refuse a command half-way.
    test("leaves the account behind, so that it is repeated (I3)", async () => {
      const { invalidate, store, bucket, write, read } = await makeScene();
      const position = { topic: "t", partition: 0, previous: 0, next: 7 };
      await write("q", { sources: ["a"] });
      const aborted = invalidate({ documents: [{ id: "a", version: Number.NaN }], position });
      await expect(aborted).rejects.toMatchObject({ code: "UNSTALE_VALKEY_REFUSED" });
      expect(await store.heartbeat({ bucket, partitions: [position] })).toMatchObject({ applied: [undefined] });
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("leaves no entry that is served (H14)", async () => {
      const { write, read } = await makeScene();
      await write("q", { sources: ["a"] });
      await expect(write("q", { sources: ["a"], ttlMs: Number.NaN })).rejects.toMatchObject({
        code: "UNSTALE_VALKEY_REFUSED",
      });
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });
  });

  test("a TTL with a fraction of a millisecond is rounded up", async () => {
    const { write, read, raw, keyOf } = await makeScene();
    expect(await write("q", { ttlMs: 59_999.5 })).toEqual({ kind: "written" });
    expect(await raw.pttl(await keyOf("q"))).toBeGreaterThan(50_000);
    expect(await read("q")).toMatchObject({ kind: "hit" });
  });

  describe("a key of the wrong type (H14)", () => {
    const kinds = ["string", "hash", "set", "zset"] as const;
    type Kind = (typeof kinds)[number];
    const put = async ({ raw }: Scene, key: string, kind: Kind): Promise<void> => {
      await raw.del(key);
      if (kind === "string") await raw.set(key, "x");
      if (kind === "hash") await raw.hset(key, { x: "y" });
      if (kind === "set") await raw.sadd(key, "x");
      if (kind === "zset") await raw.zadd(key, "x", 1);
    };
    const position = { topic: "t", partition: 0, previous: 0, next: 1 };

    /** Every step once, as a program would; none may throw. Ends with a written entry that is served. */
    const goOn = async (scene: Scene): Promise<void> => {
      const { store, bucket } = scene;
      await scene.read("q");
      await scene.open("docs");
      await store.heartbeat({ bucket, partitions: [position] });
      await store.attach({ bucket, ...position, offset: 0 });
      const reply = await scene.invalidate({
        documents: [{ id: "a", version: 1 }],
        scopes: [{}, { namespace: "docs" }],
        position,
      });
      if (reply.kind !== "applied") throw new Error(reply.kind);
      await scene.drainAll(reply);
      await scene.write("q", { sources: ["a"], sourceVersions: { a: 1 }, namespace: "docs" });
      await scene.drainAll(await scene.change("a"));
      const written = await scene.write("q", { sources: ["a"], sourceVersions: { a: 1 }, namespace: "docs" });
      expect(written).toEqual({ kind: "written" });
      expect(await scene.read("q", "docs")).toMatchObject({ kind: "hit" });
      await scene.change("a");
      expect(await scene.read("q", "docs")).toMatchObject({ kind: "miss" });
    };

    const places: readonly (readonly [string, (scene: Scene) => string])[] = [
      ["the fence key", ({ keys, bucket }) => keys.fence(bucket)],
      ["the versions of documents", ({ keys, bucket }) => keys.documentVersions(bucket)],
      ["the state", ({ keys, bucket }) => keys.state(bucket)],
      ["the register of drains", ({ keys, bucket }) => keys.draining(bucket)],
      ["the global version counter", ({ keys, bucket }) => keys.versionCounters({ bucket })[0]],
      [
        "a namespace's version counter",
        ({ keys, bucket }) => keys.versionCounters({ bucket, namespace: "docs" })[1] ?? "",
      ],
      ["a dependency set", ({ setOf }) => setOf("a")],
      ["a foreign dependency set", ({ setOf }) => setOf("a", 1)],
    ];
    const cases = places.flatMap(([name, keyIn]) => kinds.map((kind) => [name, kind, keyIn] as const));

    test.each(cases)("in place of %s, a %s, does not stop anything", async (_, kind, keyIn) => {
      const scene = await makeScene({ policy: { inlineLimit: 0 } });
      await goOn(scene);
      await put(scene, keyIn(scene), kind);
      await goOn(scene);
    });

    test.each(kinds)("in place of an entry, a %s, is a miss, overwritten, and deleted with its set", async (kind) => {
      const scene = await makeScene();
      await scene.write("q", { sources: ["a"] });
      const key = await scene.keyOf("q");
      await put(scene, key, kind);
      expect(await scene.read("q")).toMatchObject({ kind: "miss" });
      expect(await scene.write("q", { sources: ["a"] })).toEqual({ kind: "written" });
      await put(scene, key, kind);
      expect(await scene.change("a")).toMatchObject({ deleted: 1 });
    });

    test.each(kinds.filter((kind) => kind !== "set"))(
      "in place of a dependency set, a %s, refuses the commit whole",
      async (kind) => {
        const scene = await makeScene();
        await scene.open();
        await put(scene, scene.setOf("b"), kind);
        const reply = await scene.write("q", { sources: ["a", "b"] });
        expect(reply).toEqual({ kind: "refused", reason: "wrong-type" });
        expect(await scene.raw.exists(scene.setOf("a"))).toBe(false);
        expect(await scene.read("q")).toMatchObject({ kind: "miss" });
      },
    );

    test.each(kinds)("in place of a taken set, a %s, ends the drain", async (kind) => {
      const scene = await makeScene({ policy: { inlineLimit: 0 } });
      await scene.write("q", { sources: ["a"] });
      const reply = await scene.change("a");
      const [taken = ""] = (await scene.raw.keys()).filter((key) => key.includes("drain:"));
      await put(scene, taken, kind);
      await scene.drainAll(reply);
      expect((await scene.change("a")).drains).toEqual([]);
    });

    test.each(kinds)("in place of a fill lock, a %s, does not keep anyone out for good", async (kind) => {
      const scene = await makeScene();
      const lock = { bucket: scene.bucket, query: "q", token: "ours", ttlMs: 60_000 };
      await put(scene, scene.keys.fillLock(lock, "q"), kind);
      const { kind: got } = await scene.store.acquireFill(lock);
      // A string may be somebody's token.
      expect(got).toBe(kind === "string" ? "taken" : "held");
    });
  });
}
