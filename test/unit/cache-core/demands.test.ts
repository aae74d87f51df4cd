import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { DemandOptions, FillContext, SmartCache } from "@unstale/cache-core";
import { settle, until } from "../../support/latch.ts";
import { type TestCache, testCache } from "../../support/smart-cache.ts";

let t: TestCache;

beforeEach(() => {
  t = testCache();
});

afterEach(async () => {
  expect(await t.end()).toBe(0);
});

const topic = "cms.documents";
const token = (offset: number | string | bigint, partition = 0) => ({ topic, partition, offset });

/** What a worker does with the events up to `next`. */
async function apply(next: number, ...documents: string[]): Promise<void> {
  await t.memory.invalidate({
    bucket: 0,
    documents: documents.map((id) => ({ id })),
    scopes: [],
    position: { topic, partition: 0, previous: 0, next },
  });
}

/** What a worker does when it has applied everything up to `end`. */
async function confirm(end: number): Promise<void> {
  const partitions = [{ topic, partition: 0 }];
  const asked = await t.memory.confirm({ bucket: 0, partitions });
  if (asked.kind !== "standing") throw new Error(asked.kind);
  await t.memory.confirm({ bucket: 0, partitions, claim: { moment: asked.moment, ends: [end] } });
}

/** The system of record, and fills of a page that may each be held. */
function site(cache: SmartCache = t.cache) {
  let text = "old";
  const fills: { finish: () => void }[] = [];
  const fill = async (context: FillContext): Promise<string> => {
    context.dependsOn("page");
    const seen = text;
    await new Promise<void>((resolve) => fills.push({ finish: resolve }));
    return seen;
  };
  const ask = (options: DemandOptions = {}, refresh = false) => cache.getOrSet("page", fill, { ...options, refresh });
  return {
    ask,
    fills,
    write: (to: string) => {
      text = to;
    },
    /** One answer, its fill finished at once. */
    answer: async (options?: DemandOptions) => {
      const before = fills.length;
      const asked = ask(options);
      let done = false;
      void asked.finally(() => {
        done = true;
      });
      await until(() => done || fills.length > before);
      for (const { finish } of fills) finish();
      return asked;
    },
  };
}

describe("get after a change", () => {
  test("misses until the change is applied, with a lease that is good", async () => {
    await t.cache.set("page", "old", { sources: ["page"], lease: await t.cache.lease("page") });
    const editor = { after: token(0) };
    expect(await t.cache.get("page")).toMatchObject({ hit: true });
    const missed = await t.cache.get("page", editor);
    if (missed.hit) throw new Error("hit");
    expect(await t.cache.set("page", "new", { sources: ["page"], lease: missed.lease })).toMatchObject({
      written: true,
    });
    expect(await t.cache.get("page", editor)).toMatchObject({ hit: false });
    await apply(1, "page");
    // Whoever wrote before the event may not have known of it.
    expect(await t.cache.get("page", editor)).toMatchObject({ hit: false });
    await t.cache.set("page", "new", { sources: ["page"], lease: await t.cache.lease("page") });
    expect(await t.cache.get("page", editor)).toMatchObject({ hit: true, response: "new" });
  });

  test.each([
    ["a number", token(4)],
    ["text", token("4")],
    ["a bigint", token(4n)],
    ["a line", `${topic}:0:4`],
    ["a list", [`${topic}:0:4`, token(2)]],
  ])("takes an offset that is %s", async (_, after) => {
    await apply(4);
    await t.cache.set("page", "a", { sources: ["page"], lease: await t.cache.lease("page") });
    expect(await t.cache.get("page", { after })).toMatchObject({ hit: false });
    await apply(5);
    expect(await t.cache.get("page", { after })).toMatchObject({ hit: true });
  });

  test.each([
    ["no offset", { topic, partition: 0 }],
    ["an offset of -1", token(-1)],
    ["an offset that no double holds", token("9007199254740993")],
    ["half an offset", token(1.5)],
    ["a topic with a colon", { ...token(1), topic: "a:b" }],
    ["no partition", { topic, offset: 1 }],
    ["a partition of -1", token(1, -1)],
    ["a line of two parts", `${topic}:4`],
    ["a number", 4],
    ["null", null],
  ])("refuses %s before anything is asked of the store", async (_, after) => {
    for (const use of [
      t.cache.get("page", { after: after as never }),
      t.cache.getOrSet("page", () => "", { after: after as never }),
    ]) {
      await expect(use).rejects.toMatchObject({
        code: "UNSTALE_INVALID_ARGUMENT",
        message: expect.stringMatching(/^after: expected \{ topic, partition, offset \} or text such as/),
      });
    }
    expect(t.store.calls).toEqual([]);
  });

  test("says what acks: 0 has to do with an offset of -1", async () => {
    await expect(t.cache.get("page", { after: token("-1") })).rejects.toThrow(/acks: 0/);
  });

  test("refuses more partitions than one step may look at", async () => {
    const after = Array.from({ length: 101 }, (_, partition) => token(1, partition));
    await expect(t.cache.get("page", { after })).rejects.toThrow(
      "after: expected records of at most 100 partitions; got 101.",
    );
  });
});

describe("get with maxStaleness", () => {
  const recent = { maxStaleness: "2s" } as const;

  test("misses unless workers confirmed in time that nothing is missing", async () => {
    await t.cache.set("page", "a", { sources: ["page"], lease: await t.cache.lease("page") });
    expect(await t.cache.get("page", recent)).toMatchObject({ hit: false });
    await confirm(0);
    expect(await t.cache.get("page", recent)).toMatchObject({ hit: true });
    t.clock.advance(2_001);
    expect(await t.cache.get("page", recent)).toMatchObject({ hit: false });
    expect(await t.cache.get("page", { maxStaleness: 3 })).toMatchObject({ hit: true });
    expect(await t.cache.get("page")).toMatchObject({ hit: true });
  });

  test.each([["500ms"], [0.5], [0], [-1], ["2"], ["soon"], [Number.NaN]])("refuses %j", async (maxStaleness) => {
    await expect(t.cache.get("page", { maxStaleness: maxStaleness as never })).rejects.toMatchObject({
      code: "UNSTALE_INVALID_ARGUMENT",
      message: expect.stringMatching(/^maxStaleness: expected/),
    });
  });
});

describe("getOrSet after a change (I9)", () => {
  const editor = { after: token(0) };

  test("takes no answer of a fill that began before, though that is written", async () => {
    const { ask, fills, write } = site();
    const visitor = ask();
    await until(() => fills.length === 1);
    write("new");
    const edited = ask(editor);
    await until(() => fills.length === 2);
    for (const { finish } of fills) finish();
    expect(await visitor).toMatchObject({ response: "old" });
    expect(await edited).toMatchObject({ response: "new" });
  });

  test("takes no answer that somebody else's look-up finds in time", async () => {
    const { answer, ask, fills, write } = site();
    await answer();
    write("new");
    const [edited, visitor] = [ask(editor), ask()];
    await until(() => fills.length === 2);
    fills[1]?.finish();
    expect(await visitor).toMatchObject({ status: "hit", response: "old" });
    expect(await edited).toMatchObject({ response: "new" });
  });

  test("does not wait for a process that fills: its answer could not be taken", async () => {
    const { ask, fills, write } = site();
    const visitor = ask();
    await until(() => fills.length === 1);
    write("new");
    const elsewhere = site(t.another());
    elsewhere.write("new");
    const edited = elsewhere.ask(editor);
    await until(() => elsewhere.fills.length === 1);
    elsewhere.fills[0]?.finish();
    expect(await edited).toMatchObject({ response: "new" });
    fills[0]?.finish();
    await visitor;
  });

  test("shares one fill among all who ask for the same change", async () => {
    const { ask, fills } = site();
    const both = [ask(editor), ask({ after: `${topic}:0:0` })];
    await until(() => fills.length === 1);
    const third = ask({ after: [token(0)] });
    await settle();
    fills[0]?.finish();
    expect(await Promise.all([...both, third])).toMatchObject([
      { response: "old" },
      { response: "old" },
      { response: "old" },
    ]);
    expect(fills).toHaveLength(1);
  });

  test("asks the same of the answers that it is built from", async () => {
    const { answer, write } = site();
    await answer();
    write("new");
    const outer = (options: DemandOptions) =>
      t.cache.getOrSet(
        `front ${JSON.stringify(options)}`,
        async () => `front of ${(await answer()).response}`,
        options,
      );
    expect(await outer({})).toMatchObject({ response: "front of old" });
    expect(await outer(editor)).toMatchObject({ response: "front of new" });
    const looked = await t.cache.getOrSet(
      "seen",
      async () => {
        await apply(0);
        return (await t.cache.get("page")).hit;
      },
      { after: token(7) },
    );
    expect(looked).toMatchObject({ response: false });
  });

  test("asks nothing of another deployment's answers, whose log it does not know", async () => {
    const other = testCache();
    await other.cache.getOrSet("inner", () => "there");
    const outer = await t.cache.getOrSet("outer", async () => (await other.cache.get("inner")).hit, editor);
    expect(outer).toMatchObject({ response: true });
    await other.end();
  });
});

describe("getOrSet with maxStaleness", () => {
  test("joins a fill under way only while that knows of enough", async () => {
    const { ask, fills, write } = site();
    const bounded = { maxStaleness: "2s" } as const;
    const first = ask(bounded);
    await until(() => fills.length === 1);
    t.clock.advance(2_000);
    const second = ask(bounded);
    await settle();
    write("new");
    t.clock.advance(1);
    const third = ask(bounded);
    await until(() => fills.length === 2);
    for (const { finish } of fills) finish();
    expect(await Promise.all([first, second, third])).toMatchObject([
      { response: "old" },
      { response: "old" },
      { response: "new" },
    ]);
  });

  test("fills each time while nobody confirms, and never serves what it cannot vouch for", async () => {
    const { answer, write } = site();
    const bounded = { maxStaleness: 2 };
    expect(await answer(bounded)).toMatchObject({ status: "filled", response: "old" });
    write("new");
    expect(await answer(bounded)).toMatchObject({ status: "filled", response: "new" });
    await confirm(0);
    expect(await answer(bounded)).toMatchObject({ status: "hit", response: "new" });
  });
});
