import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { SmartCache } from "@unstale/cache-core";
import { type Latch, latch, settle, until } from "../../support/latch.ts";
import { outage, type TestCache, testCache } from "../../support/smart-cache.ts";

/** Two caches on one store: as two processes see each other. */
let t: TestCache;
let here: SmartCache;
let there: SmartCache;

beforeEach(() => {
  t = testCache();
  here = t.cache;
  there = t.another();
});

afterEach(async () => {
  expect(await t.end()).toBe(0);
});

function heldFill(answer: string): { fill: () => Promise<string>; door: Latch; begun: () => number } {
  const door = latch();
  let begun = 0;
  return {
    door,
    begun: () => begun,
    fill: async () => {
      begun += 1;
      await door.opened;
      return answer;
    },
  };
}

describe("several processes that miss one entry", () => {
  test("one fills; the other finds the entry by a verified read", async () => {
    const one = heldFill("from here");
    const other = heldFill("from there");
    const first = here.getOrSet("q", one.fill);
    await until(() => one.begun() === 1);
    const second = there.getOrSet("q", other.fill);
    await settle();
    t.clock.advance(15);
    await settle();
    one.door.open();
    expect(await first).toMatchObject({ status: "filled" });
    t.clock.advance(500);
    expect(await second).toMatchObject({ response: "from here", status: "hit" });
    expect(other.begun()).toBe(0);
  });

  test("look once more after taking the lock: another may have filled and gone since the miss", async () => {
    const missed = latch();
    const goOn = latch();
    t.store.intercept("acquireFill", async (proceed) => {
      t.store.restore("acquireFill");
      missed.open();
      await goOn.opened;
      return proceed();
    });
    const slow = here.getOrSet("q", () => "a second fill");
    await missed.opened;
    expect(await there.getOrSet("q", () => "the first fill")).toMatchObject({ status: "filled" });
    await until(() => t.store.count("releaseFill") === 1);
    goOn.open();
    expect(await slow).toMatchObject({ response: "the first fill", status: "hit" });
  });

  test("what a waiter finds is only for those who came before it looked: a later one may know of a change (I9)", async () => {
    const one = heldFill("old");
    const first = here.getOrSet("q", one.fill, { sources: ["article:42"] });
    await until(() => one.begun() === 1);
    const waiter = there.getOrSet("q", () => "own");
    await until(() => t.store.count("acquireFill") === 2);
    await settle();
    one.door.open();
    await first;
    const looked = latch();
    const reply = latch();
    t.store.intercept("read", async (proceed) => {
      t.store.restore("read");
      const found = await proceed();
      looked.open();
      await reply.opened;
      return found;
    });
    t.clock.advance(15);
    await looked.opened;
    // The hit was judged, its reply is under way. Now the document changes, and somebody joins the waiter's flight.
    await t.another().invalidateSource("article:42");
    const later = there.getOrSet("q", () => "new");
    await settle();
    reply.open();
    expect(await waiter).toMatchObject({ response: "old", status: "hit" });
    expect(await later).toMatchObject({ response: "new", status: "filled" });
  });

  test("the lock is renewed while a fill takes long, so nobody else fills", async () => {
    const one = heldFill("slow");
    const other = heldFill("never");
    const first = here.getOrSet("q", one.fill);
    await until(() => one.begun() === 1);
    const second = there.getOrSet("q", other.fill);
    for (let passed = 0; passed < 20_000; passed += 500) {
      await settle();
      t.clock.advance(500);
    }
    await settle();
    expect(other.begun()).toBe(0);
    expect(t.store.count("renewFill")).toBeGreaterThan(5);
    one.door.open();
    await first;
    t.clock.advance(500);
    expect(await second).toMatchObject({ response: "slow", status: "hit" });
  });

  test("when the filler dies, its lock expires and a waiter fills", async () => {
    t.store.intercept("renewFill", async () => ({ kind: "taken" }));
    const dead = heldFill("never answers");
    const lost = here.getOrSet("q", dead.fill);
    await until(() => dead.begun() === 1);
    const waiter = there.getOrSet("q", () => "from a waiter");
    for (let passed = 0; passed < 6_000; passed += 500) {
      await settle();
      t.clock.advance(500);
    }
    expect(await waiter).toMatchObject({ response: "from a waiter", status: "filled" });
    dead.door.open();
    await lost;
  });

  test("when the filler was refused twice, a waiter fills with a lease of its own (I9)", async () => {
    let seen = 0;
    const refusedFill = async (context: { dependsOn(id: string): void }): Promise<string> => {
      seen += 1;
      context.dependsOn("article:42");
      await t.another().invalidateSource("article:42");
      return `stale ${seen}`;
    };
    const gate = latch();
    const first = here.getOrSet("q", async (context) => {
      await gate.opened;
      return refusedFill(context);
    });
    await until(() => t.store.count("acquireFill") === 1);
    await settle();
    const second = there.getOrSet("q", (context) => {
      context.dependsOn("article:42");
      return "fresh";
    });
    await settle();
    gate.open();
    expect(await first).toMatchObject({ response: "stale 2", status: "refused" });
    await settle();
    t.clock.advance(500);
    expect(await second).toMatchObject({ response: "fresh", status: "filled" });
  });

  test("waiting for the lock is bounded: then a waiter fills without it", async () => {
    const one = heldFill("slow");
    const first = here.getOrSet("q", one.fill);
    await until(() => one.begun() === 1);
    const impatient = t.another({ fillWaitMs: 1_000 });
    const second = impatient.getOrSet("q", () => "own");
    for (let passed = 0; passed < 2_500; passed += 250) {
      await settle();
      t.clock.advance(250);
    }
    expect(await second).toMatchObject({ response: "own", status: "filled" });
    one.door.open();
    await first;
  });

  test("a waiter who gives up stops looking", async () => {
    const one = heldFill("slow");
    const first = here.getOrSet("q", one.fill);
    await until(() => one.begun() === 1);
    const gone = new AbortController();
    const second = there.getOrSet("q", () => "own", { signal: gone.signal });
    await settle();
    gone.abort(new Error("the user left"));
    await expect(second).rejects.toThrow("the user left");
    await settle();
    const reads = t.store.count("read");
    t.clock.advance(500);
    await settle();
    expect(t.store.count("read")).toBe(reads);
    one.door.open();
    await first;
  });

  test("a lock that cannot be asked for does not keep anybody from filling", async () => {
    t.store.intercept("acquireFill", () => Promise.reject(outage));
    expect(await here.getOrSet("q", () => "a")).toMatchObject({ status: "filled" });
  });

  test("a lock that does not answer costs no more than the time of a look-up", async () => {
    t.store.intercept("acquireFill", () => new Promise(() => undefined));
    const answer = here.getOrSet("q", () => "a");
    await until(() => t.store.count("acquireFill") === 1);
    t.clock.advance(250);
    expect(await answer).toMatchObject({ status: "filled" });
  });

  test("where the keys are of a newer format there is no lock: the answer is computed, and its commit refused", async () => {
    t.store.intercept("acquireFill", async (proceed) => {
      t.memory.keyspace.zadd("unstale:fence", { " format": 2 });
      return proceed();
    });
    expect(await here.getOrSet("q", () => "a")).toMatchObject({ response: "a", status: "refused", reason: "format" });
    expect([t.store.count("renewFill"), t.store.count("releaseFill")]).toEqual([0, 0]);
  });

  test("a filler whose keys became those of a newer format stops renewing its lock", async () => {
    const one = heldFill("a");
    const first = here.getOrSet("q", one.fill);
    await until(() => one.begun() === 1);
    t.memory.keyspace.zadd("unstale:fence", { " format": 2 });
    for (let passed = 0; passed < 3; passed += 1) {
      t.clock.advance(2_000);
      await settle();
    }
    expect(t.store.count("renewFill")).toBe(1);
    one.door.open();
    expect(await first).toMatchObject({ status: "refused", reason: "format" });
  });

  test("trouble with renewing or giving back the lock is counted, and nobody's failure", async () => {
    t.store.intercept("renewFill", () => Promise.reject(outage));
    t.store.intercept("releaseFill", () => Promise.reject(outage));
    const one = heldFill("a");
    const first = here.getOrSet("q", one.fill);
    await until(() => one.begun() === 1);
    t.clock.advance(2_000);
    await settle();
    t.clock.advance(2_000);
    await settle();
    expect(t.store.count("renewFill")).toBeGreaterThan(1);
    one.door.open();
    expect(await first).toMatchObject({ status: "filled" });
  });

  test("a refresh does not wait for the lock of another", async () => {
    const one = heldFill("slow");
    const first = here.getOrSet("q", one.fill);
    await until(() => one.begun() === 1);
    expect(await there.getOrSet("q", () => "new", { refresh: true })).toMatchObject({
      response: "new",
      status: "filled",
    });
    one.door.open();
    await first;
  });
});
