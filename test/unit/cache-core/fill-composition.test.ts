import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { createMemoryStore, SmartCache } from "@unstale/cache-core";
import { latch, settle, until } from "../../support/latch.ts";
import { type TestCache, testCache } from "../../support/smart-cache.ts";

let t: TestCache;

beforeEach(() => {
  t = testCache();
});

afterEach(async () => {
  expect(await t.end()).toBe(0);
});

const inner = (id: string, response = `about ${id}`) => ({
  query: `inner ${id}`,
  fill: (context: { dependsOn(ids: string): void }): string => {
    context.dependsOn(id);
    return response;
  },
});

describe("an answer that is built from cached answers", () => {
  test("inherits the sources of an inner fill and of an inner hit, by itself (I9)", async () => {
    const { query, fill } = inner("article:1");
    await t.cache.getOrSet(query, fill);
    const outer = await t.cache.getOrSet("outer", async (context) => {
      context.dependsOn("page:home");
      const hit = await t.cache.getOrSet(query, fill);
      const filled = await t.cache.getOrSet("inner article:2", inner("article:2").fill);
      return `${hit.status} ${filled.status}`;
    });
    expect(outer).toEqual({
      response: "hit filled",
      sources: ["page:home", "article:1", "article:2"],
      status: "filled",
    });
    await t.cache.invalidateSource("article:2");
    expect(await t.cache.get("outer")).toMatchObject({ hit: false });
  });

  test("inherits from a hit of get as well", async () => {
    await t.cache.getOrSet(inner("article:1").query, inner("article:1").fill);
    const outer = await t.cache.getOrSet("outer", async () => (await t.cache.get("inner article:1")).hit);
    expect(outer).toMatchObject({ response: true, sources: ["article:1"] });
  });

  test("inherits over several levels, and from fills side by side", async () => {
    const outer = await t.cache.getOrSet("top", async () => {
      const parts = await Promise.all(
        ["a", "b"].map((name) =>
          t.cache.getOrSet(
            `middle ${name}`,
            async () => (await t.cache.getOrSet(`leaf ${name}`, inner(name).fill)).response,
          ),
        ),
      );
      return parts.map(({ response }) => response).join(" and ");
    });
    expect(outer).toMatchObject({ response: "about a and about b", status: "filled" });
    expect([...outer.sources].sort()).toEqual(["a", "b"]);
  });

  test("inherits what a joined flight stands on", async () => {
    const door = latch();
    const other = t.cache.getOrSet("inner", async (context) => {
      context.dependsOn("article:9");
      await door.opened;
      return "shared";
    });
    await until(() => t.store.count("acquireFill") === 1);
    await settle();
    const outer = t.cache.getOrSet("outer", async () => (await t.cache.getOrSet("inner", () => "own")).response);
    await settle();
    door.open();
    await other;
    expect(await outer).toMatchObject({ response: "shared", sources: ["article:9"], status: "filled" });
  });

  test("a change after the outer lease refuses the outer answer, though the inner one was a hit", async () => {
    const { query, fill } = inner("article:1");
    await t.cache.getOrSet(query, fill);
    let changes = 0;
    const outer = await t.cache.getOrSet("outer", async () => {
      const answer = await t.cache.getOrSet(query, fill);
      await t.another().invalidateSource("article:1");
      changes += 1;
      return answer.response;
    });
    expect(outer).toMatchObject({ status: "refused", reason: "changed" });
    expect(changes).toBe(2);
  });

  test("is not kept when an inner fill said skip", async () => {
    const outer = await t.cache.getOrSet("outer", async () => {
      const { response } = await t.cache.getOrSet("inner", (context) => {
        context.skip();
        return "for you only";
      });
      return response;
    });
    expect(outer).toEqual({ response: "for you only", sources: [], status: "uncached", reason: "skipped" });
  });

  test("a look-up that outlives its fill is no part of it", async () => {
    const door = latch();
    let lookup: Promise<unknown> = Promise.resolve();
    await t.cache.getOrSet("outer", () => {
      lookup = door.opened.then(() => t.cache.getOrSet("inner", () => "alone"));
      return "gone ahead";
    });
    door.open();
    expect(await lookup).toMatchObject({ status: "filled" });
  });
});

describe("an answer that other fences judge", () => {
  test("is given and not kept when the inner one lies in another bucket (I9)", async () => {
    const cluster = testCache({ buckets: 16 });
    const outer = await cluster.cache.getOrSet("outer", async () => {
      const parts = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          cluster.cache.getOrSet(`inner ${index}`, inner(`article:${index}`).fill),
        ),
      );
      expect(parts.every(({ status }) => status === "filled")).toBe(true);
      return parts.length;
    });
    expect(outer).toMatchObject({ response: 8, status: "uncached", reason: "other-bucket" });
    expect(outer.sources).toHaveLength(8);
    await cluster.end();
  });

  test("is not kept when it comes from another deployment", async () => {
    const elsewhere = new SmartCache({ store: createMemoryStore({ clock: t.clock }), clock: t.clock });
    await t.cache.get("anything");
    await elsewhere.get("anything");
    const outer = await t.cache.getOrSet(
      "outer",
      async () => (await elsewhere.getOrSet("inner", inner("a").fill)).response,
    );
    expect(outer).toMatchObject({ status: "uncached", reason: "other-bucket", sources: ["a"] });
    await elsewhere.close();
  });

  test("is kept when two caches of one process share a deployment", async () => {
    const second = t.another();
    await t.cache.get("anything");
    await second.get("anything");
    const outer = await t.cache.getOrSet(
      "outer",
      async () => (await second.getOrSet("inner", inner("a").fill)).response,
    );
    expect(outer).toMatchObject({ status: "filled", sources: ["a"] });
  });

  test("makes every answer above it unkept too", async () => {
    const elsewhere = new SmartCache({ store: createMemoryStore({ clock: t.clock }), clock: t.clock });
    const top = await t.cache.getOrSet("top", async () => {
      const middle = await t.cache.getOrSet(
        "middle",
        async () => (await elsewhere.getOrSet("leaf", () => "x")).response,
      );
      return middle.response;
    });
    expect(top).toMatchObject({ status: "uncached", reason: "other-bucket" });
    await elsewhere.close();
  });
});

describe("fills inside fills", () => {
  test("run on the permit of the outer one: they cannot lock each other out", async () => {
    const cache = t.another({ maxConcurrentFills: 1 });
    const outer = await cache.getOrSet("outer", async () => {
      const parts = await Promise.all(["a", "b", "c"].map((name) => cache.getOrSet(name, () => name)));
      return parts.map(({ response }) => response);
    });
    expect(outer).toMatchObject({ response: ["a", "b", "c"], status: "filled" });
  });

  test("do not wait for a flight that may wait for their permit", async () => {
    const cache = t.another({ maxConcurrentFills: 1 });
    const door = latch();
    const outer = cache.getOrSet("outer", async () => {
      await door.opened;
      return (await cache.getOrSet("inner", () => "from inside")).response;
    });
    await until(() => t.store.count("acquireFill") === 1);
    await settle();
    const queued = cache.getOrSet("inner", () => "from the queue");
    await settle();
    door.open();
    expect(await outer).toMatchObject({ response: "from inside", status: "filled" });
    expect(await queued).toMatchObject({ response: "from inside", status: "hit" });
  });

  test("a fill that asks for its own answer is told so, instead of waiting for itself", async () => {
    const ask = (): Promise<unknown> => t.cache.getOrSet("q", ask);
    await expect(ask()).rejects.toThrow(/computed from itself/);
    const deeper = t.cache.getOrSet("a", () => t.cache.getOrSet("b", () => t.cache.getOrSet("a", () => 1)));
    await expect(deeper).rejects.toThrow(/computed from itself/);
  });

  test("two fills that ask for each other's answers end in an error when the wait is over", async () => {
    const both = latch();
    let waiting = 0;
    const meet =
      (query: string): (() => Promise<unknown>) =>
      async () => {
        waiting += 1;
        if (waiting === 2) both.open();
        await both.opened;
        return t.cache.getOrSet(query, meet(query === "a" ? "b" : "a"));
      };
    const one = t.cache.getOrSet("a", meet("b"));
    const other = t.cache.getOrSet("b", meet("a"));
    const errors = Promise.allSettled([one, other]);
    for (let passed = 0; passed < 90_000; passed += 500) {
      await settle(2);
      t.clock.advance(500);
    }
    expect((await errors).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });
});
