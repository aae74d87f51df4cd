import { describe, expect, test } from "@jest/globals";
import type { MakeScene } from "../support/store-scene.ts";

/** Programs that know the plain schema only (HSET, EXPIRE, SADD), and what they may leave in our keys. */
export function describeForeignKeys(makeScene: MakeScene): void {
  describe("an entry of the plain schema", () => {
    test.each([
      ["doc_deps:", 0],
      ["deps:", 1],
    ] as const)("listed under %s is served, and invalidated by the same events", async (_, prefix) => {
      const { plain, read, change, raw } = await makeScene();
      const key = await plain("q", { sources: ["a", "b"], prefix });
      expect(await read("q")).toEqual({ kind: "hit", response: "plain q", sources: ["a", "b"] });
      expect(await change("a")).toMatchObject({ deleted: 1 });
      expect(await raw.exists(key)).toBe(false);
      expect(await read("q")).not.toMatchObject({ kind: "hit" });
    });

    test("with numbers as sources is invalidated by the documents of that name", async () => {
      const { plain, read, change, raw, setOf } = await makeScene();
      const key = await plain("q", { sources: ["42"] });
      await raw.hset(key, { sources: "[42, 7e2]" });
      await raw.sadd(setOf("700"), key);
      expect(await read("q")).toMatchObject({ kind: "hit", sources: ["42", "700"] });
      await change("42");
      expect(await read("q")).not.toMatchObject({ kind: "hit" });
    });

    test("that some source does not list is a miss", async () => {
      const { open, plain, read, raw, setOf } = await makeScene();
      await open();
      await plain("q", { sources: ["a", "b"] });
      await raw.del(setOf("b"));
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("listed by one prefix each is served", async () => {
      const { plain, read, raw, setOf } = await makeScene();
      const key = await plain("q", { sources: ["a", "b"] });
      await raw.del(setOf("b"));
      await raw.sadd(setOf("b", 1), key);
      expect(await read("q")).toMatchObject({ kind: "hit" });
    });

    test("is served before any worker or producer of ours ever ran", async () => {
      const { plain, read, raw, keys, bucket } = await makeScene();
      await plain("q", { sources: ["a"] });
      expect(await raw.exists(keys.fence(bucket))).toBe(false);
      expect(await read("q")).toMatchObject({ kind: "hit" });
    });

    test("is replaced by ours, and ours by it", async () => {
      const { plain, read, write, change, raw, keyOf } = await makeScene();
      await plain("q", { sources: ["a"] });
      await write("q", { sources: ["b"] });
      expect(await read("q")).toMatchObject({ response: "to q", sources: ["b"] });
      await plain("q", { sources: ["c"] });
      expect(await raw.hgetall(await keyOf("q"))).toHaveProperty("lease");
      expect(await read("q")).toMatchObject({ response: "plain q", sources: ["c"] });
      await change("c");
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("written over ours with other sources is judged by its listing: our lease does not vouch for it", async () => {
      const { plain, read, write, raw, setOf } = await makeScene();
      await write("q", { sources: ["a"] });
      await plain("q", { sources: ["b"] });
      await raw.del(setOf("b"));
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("written over ours after the change it missed is a miss: the fence counts for its sources as well", async () => {
      const { plain, read, write, change, raw, setOf } = await makeScene({ policy: { inlineLimit: 0 } });
      await write("q", { sources: ["a"] });
      await raw.del(setOf("a"));
      await change("b");
      await plain("q", { sources: ["b"] });
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });
  });

  describe("our entry that a foreign SADD lists again", () => {
    test("after its set was taken, stays a miss (H9)", async () => {
      const { write, read, change, raw, setOf, keyOf } = await makeScene({ policy: { inlineLimit: 0 } });
      await write("q", { sources: ["a"] });
      await change("a");
      await raw.sadd(setOf("a"), await keyOf("q"));
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("after its set vanished by itself, stays a miss (H10)", async () => {
      const { write, read, change, raw, setOf, keyOf } = await makeScene();
      await write("q", { sources: ["a"] });
      await raw.del(setOf("a"));
      await change("a");
      await raw.sadd(setOf("a"), await keyOf("q"));
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });
  });

  describe("sources that are not a clean array (H15)", () => {
    const malformed: readonly (string | undefined)[] = [
      undefined,
      "",
      "{}",
      "null",
      '"abc"',
      "[true]",
      "[null]",
      "[1.5]",
      "[100000000000000]",
      "[[]]",
      "[{}]",
      '[""]',
      '[" a"]',
      '["a"',
      '["a"] x',
      "a,b",
      "[,]",
      '["a",]',
      '["\\ud800"]',
      "['a']",
    ];
    test.each(malformed)("(%j) are a miss, with and without a lease", async (sources) => {
      const { write, read, raw, keyOf, setOf, open } = await makeScene();
      const { versions } = await open();
      // Listed wherever a careless reader might look.
      const names = ["", " a", "a", "1", "1.5", "2", "100000000000000", "true", "null"];
      for (const name of names) await raw.sadd(setOf(name), await keyOf("q"));
      for (const lease of [undefined, { versions }]) {
        await write("q", { sources: [], ...(lease && { lease }) });
        expect(await read("q")).toMatchObject({ kind: "hit" });
        if (sources === undefined) await raw.hdel(await keyOf("q"), "sources");
        else await raw.hset(await keyOf("q"), { sources });
        expect(await read("q")).toMatchObject({ kind: "miss" });
      }
    });

    test.each(["[0x10]", '["a\nb"]', "[NaN]", "[Infinity]", "[-0x1]"])(
      "(%j, which Lua understands) are no hit",
      async (sources) => {
        const { write, read, raw, keyOf, setOf } = await makeScene();
        await write("q", { sources: [] });
        const key = await keyOf("q");
        await raw.hset(key, { sources });
        for (const document of ["16", "a\nb", "-1", "nan", "inf"]) await raw.sadd(setOf(document), key);
        expect(["miss", "lost"]).toContain((await read("q")).kind);
      },
    );

    test("(1,001 of them) are a miss; 1,000 are looked at (H18)", async () => {
      const { open, plain, read, raw, keyOf } = await makeScene();
      await open();
      const thousand = Array.from({ length: 1_000 }, (_, index) => `doc:${index}`);
      await plain("q", { sources: thousand });
      expect(await read("q")).toMatchObject({ kind: "hit" });
      await raw.hset(await keyOf("q"), { sources: JSON.stringify([...thousand, "doc:0"]) });
      expect(await read("q")).toMatchObject({ kind: "miss" });
    });

    test("(of an entry with 1,000 of them) do not hinder the next commit", async () => {
      const { plain, write, read, raw, setOf } = await makeScene();
      await plain("q", { sources: Array.from({ length: 1_000 }, (_, index) => `doc:${index}`) });
      expect(await write("q", { sources: ["doc:1"] })).toEqual({ kind: "written" });
      expect(await raw.exists(setOf("doc:0"))).toBe(false);
      expect(await raw.exists(setOf("doc:1"))).toBe(true);
      expect(await read("q")).toMatchObject({ kind: "hit" });
    });
  });

  test.each(["", "x", "1:2:3:4", "1:2:3:4:5:6", "1:a:3:4:5", "1:2:3:4:zz"])(
    "a lease field that says %j is a miss",
    async (lease) => {
      const { write, read, raw, keyOf } = await makeScene();
      await write("q", { sources: ["a"] });
      await raw.hset(await keyOf("q"), { lease });
      expect(await read("q")).toMatchObject({ kind: "miss" });
    },
  );

  test("an entry without a response is a miss", async () => {
    const { write, read, raw, keyOf } = await makeScene();
    await write("q");
    await raw.hdel(await keyOf("q"), "response");
    expect(await read("q")).toMatchObject({ kind: "miss" });
  });
}
