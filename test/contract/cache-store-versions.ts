import { describe, expect, test } from "@jest/globals";
import { type MakeScene, minute } from "../support/store-scene.ts";

const micros = 1_000;

/** Version tags of namespaces and of everything; versions of documents (R9). */
export function describeVersions(makeScene: MakeScene): void {
  describe("a version tag", () => {
    test("raised for everything makes all entries unservable, those in namespaces too", async () => {
      const { write, read, invalidate } = await makeScene();
      await write("q");
      await write("q", { namespace: "docs" });
      expect(await invalidate({ scopes: [{}] })).toMatchObject({ raised: 1, barrier: false });
      expect(await read("q")).toMatchObject({ kind: "miss" });
      expect(await read("q", "docs")).toMatchObject({ kind: "miss" });
    });

    test("raised for a namespace makes it and its deeper levels unservable, and nothing else", async () => {
      const { write, read, invalidate } = await makeScene();
      const namespaces = ["docs", "docs:technical", "docs:technical:api", "faqs", undefined];
      for (const namespace of namespaces) await write("q", namespace === undefined ? {} : { namespace });
      await invalidate({ scopes: [{ namespace: "docs:technical" }] });
      const kinds = [];
      for (const namespace of namespaces) kinds.push((await read("q", namespace)).kind);
      expect(kinds).toEqual(["hit", "miss", "miss", "hit", "hit"]);
    });

    test("raised for a namespace that nobody opened yet is another than any before (H3)", async () => {
      const { write, read, invalidate, raw, keys, bucket } = await makeScene();
      await write("q", { namespace: "docs" });
      const [global, level = ""] = keys.versionCounters({ bucket, namespace: "docs" });
      const before = [await raw.get(global), await raw.get(level)];
      await raw.del(global);
      await raw.del(level);
      expect(await invalidate({ scopes: [{}, { namespace: "docs" }] })).toMatchObject({ raised: 2 });
      const after = [await raw.get(global), await raw.get(level)];
      expect(after.map(Number).every((value) => Number.isSafeInteger(value) && value > 2 ** 50)).toBe(true);
      expect(after).not.toContain(before[0]);
      expect(after).not.toContain(before[1]);
      expect(await read("q", "docs")).toMatchObject({ kind: "miss" });
    });

    test("that is gone is a miss and a refusal, and comes back as one never used (H3)", async () => {
      const { write, read, open, raw, keys, bucket, world } = await makeScene();
      const counter = keys.versionCounters({ bucket })[0];
      await raw.set(counter, "2");
      await write("q");
      const lease = await open();
      await raw.del(counter);
      expect(await read("q")).toEqual({ kind: "lost" });
      expect(await write("q", { lease: { ...lease, versions: ["1"] } })).toMatchObject({ kind: "refused" });
      await raw.del(counter);
      const nonce = world.nonce;
      expect(await raw.exists(counter)).toBe(false);
      const [version = ""] = (await open()).versions;
      expect(Number(version)).toBeGreaterThan(nonce);
      expect(await read("q")).toMatchObject({ kind: "miss" });
      expect(await write("q", { lease })).toMatchObject({ kind: "refused", reason: "version" });
    });

    test("that is gone refuses a commit", async () => {
      const { store, open, raw, keys, bucket } = await makeScene();
      const lease = await open();
      await raw.del(keys.versionCounters({ bucket })[0]);
      const entry = { bucket, query: "q", response: "x", sources: [], ttlMs: minute, lease };
      expect(await store.commit(entry)).toEqual({ kind: "refused", reason: "lost" });
    });

    test.each(["", "abc", "-1", "1.5", " 7", "007", "9223372036854775807", "99999999999999999999"])(
      "that a foreign program set to %j is raised to another one that can be used",
      async (text) => {
        const { invalidate, open, write, read, raw, keys, bucket } = await makeScene({ policy: { maxTtlMs: minute } });
        const [global, level = ""] = keys.versionCounters({ bucket, namespace: "docs" });
        await open("docs");
        await raw.set(global, text);
        await raw.set(level, text);
        await raw.pexpire(level, minute);
        expect(await invalidate({ scopes: [{}, { namespace: "docs" }] })).toMatchObject({ raised: 2 });
        const { versions } = await open("docs");
        expect(versions).not.toContain(text);
        expect(versions.every((version) => /^\d+$/.test(version))).toBe(true);
        expect(await raw.pttl(level)).toBeGreaterThan(0);
        expect(await write("q", { namespace: "docs" })).toEqual({ kind: "written" });
        expect(await read("q", "docs")).toMatchObject({ kind: "hit" });
        await invalidate({ scopes: [{}] });
        expect(await read("q", "docs")).toMatchObject({ kind: "miss" });
      },
    );

    test.each(["", "abc", "-1"])(
      "that a foreign program set to %j is replaced as soon as someone opens",
      async (text) => {
        const { store, open, read, write, raw, keys, bucket } = await makeScene();
        const counter = keys.versionCounters({ bucket })[0];
        for (const mend of [() => open(), () => store.heartbeat({ bucket, partitions: [] })]) {
          await open();
          await raw.set(counter, text);
          expect(await read("q")).toEqual({ kind: "lost" });
          await mend();
          expect(await raw.get(counter)).toMatch(/^\d{16}$/);
          expect(await write("q")).toEqual({ kind: "written" });
        }
      },
    );

    test("works with a foreign INCR", async () => {
      const { write, read, raw, keys, bucket } = await makeScene();
      await write("q");
      await raw.incr(keys.versionCounters({ bucket })[0]);
      expect(await read("q")).toMatchObject({ kind: "miss" });
      await write("q");
      expect(await read("q")).toMatchObject({ kind: "hit" });
    });

    test("of a namespace lives as long as the longest TTL, and every commit lengthens it", async () => {
      const { open, invalidate, raw, keys, bucket } = await makeScene({ policy: { maxTtlMs: 10 * minute } });
      await open("docs");
      const level = keys.versionCounters({ bucket, namespace: "docs" })[1] ?? "";
      expect(await raw.pttl(level)).toBeGreaterThan(9 * minute);
      await raw.pexpire(level, minute);
      await invalidate({ scopes: [{ namespace: "docs" }] });
      expect(await raw.pttl(level)).toBeGreaterThan(9 * minute);
    });
  });

  describe("a document version", () => {
    const event = (version: number) => ({ documents: [{ id: "a", version }] });

    test("below that of the last event refuses the write, though its lease is younger (R9)", async () => {
      const { invalidate, write } = await makeScene();
      const reply = await invalidate(event(17));
      const stamp = reply.kind === "applied" ? reply.stamp : 0;
      const lagging = { sources: ["b", "a"], sourceVersions: { a: 16 } };
      expect(await write("q", lagging)).toEqual({
        kind: "refused",
        reason: "changed",
        document: "a",
        changedAt: stamp,
      });
      expect(await write("q", { sources: ["a"], sourceVersions: { a: 17 } })).toEqual({ kind: "written" });
      expect(await write("q", { sources: ["a"], sourceVersions: { a: 18 } })).toEqual({ kind: "written" });
      expect(await write("q", { sources: ["a"] })).toEqual({ kind: "written" });
    });

    test("is compared without a lease, too", async () => {
      const { invalidate, write, open } = await makeScene();
      await invalidate(event(17));
      const { versions } = await open();
      const write16 = { sources: ["a"], sourceVersions: { a: 16 }, lease: { versions } };
      expect(await write("q", write16)).toMatchObject({ kind: "refused", reason: "changed" });
    });

    test("never falls back, whatever comes late", async () => {
      const { invalidate, write } = await makeScene();
      await invalidate(event(17));
      await invalidate(event(3));
      expect(await write("q", { sources: ["a"], sourceVersions: { a: 16 } })).toMatchObject({ kind: "refused" });
    });

    test("of a document without events is of no interest", async () => {
      const { write } = await makeScene();
      expect(await write("q", { sources: ["a"], sourceVersions: { a: 1 } })).toEqual({ kind: "written" });
    });

    test("that may be lost refuses for as long as a replica may lag, and no longer", async () => {
      const { invalidate, write, raw, keys, bucket, world, open } = await makeScene();
      await invalidate(event(17));
      world.now += minute * micros;
      await raw.del(keys.documentVersions(bucket));
      const versioned = { sources: ["a"], sourceVersions: { a: 17 } };
      expect(await write("q", versioned)).toEqual({ kind: "refused", reason: "lost" });
      expect(await write("q", { sources: ["b"], sourceVersions: { b: 1 } })).toEqual({ kind: "written" });
      world.now += 4 * minute * micros;
      expect(await write("q", versioned)).toEqual({ kind: "refused", reason: "lost" });
      world.now += 2 * minute * micros;
      await open();
      expect(await write("q", versioned)).toEqual({ kind: "written" });
    });

    test("is known again with the next event that carries one", async () => {
      const { invalidate, write, raw, keys, bucket } = await makeScene();
      await invalidate(event(17));
      await raw.del(keys.documentVersions(bucket));
      await invalidate(event(18));
      expect(await write("q", { sources: ["a"], sourceVersions: { a: 17 } })).toMatchObject({ reason: "changed" });
      expect(await write("q", { sources: ["a"], sourceVersions: { a: 18 } })).toEqual({ kind: "written" });
    });

    test("cannot be judged before the key of versions is there: refused, not written", async () => {
      const { invalidate, write, open, raw, keys, bucket } = await makeScene();
      await invalidate(event(17));
      const lease = await open();
      await raw.del(keys.documentVersions(bucket));
      const versioned = { sources: ["a"], sourceVersions: { a: 16 }, lease };
      expect(await write("q", versioned)).toEqual({ kind: "refused", reason: "lost" });
    });
  });
}
