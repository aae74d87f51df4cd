import { describe, expect, test } from "@jest/globals";
import { type CacheStore, createMemoryStore, type Drain, type DrainReply, type SweepReply } from "@unstale/cache-core";
import { type Cleanup, createCleanup } from "../../../cache-core/cleanup.ts";
import { cacheError } from "../../../cache-core/errors.ts";
import { latch, settle } from "../../support/latch.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { type ScriptedStore, scriptedStore } from "../../support/scripted-store.ts";

const drain: Drain = { bucket: 0, document: "a", token: "1.2:3:1" };
const unavailable = () => cacheError("UNSTALE_VALKEY_UNAVAILABLE", "away");
const finished: DrainReply = { kind: "finished", cursor: "0", replicationId: 7, deleted: 1, kept: 0 };
const lastPage: SweepReply = { kind: "swept", cursor: "0", scanned: 1, deleted: 1 };

function scene(): { store: ScriptedStore; clock: ManualClock; cleanup: Cleanup } {
  const store = scriptedStore(createMemoryStore());
  const clock = new ManualClock();
  return { store, clock, cleanup: createCleanup({ store, clock, drainCount: 300, sweepCount: 500, attempts: 3 }) };
}

/** Replies one after the other, and what was asked. */
function inTurn<Request, Reply>(replies: readonly (Reply | Error)[]) {
  const asked: Request[] = [];
  const step = (_: unknown, request: Request): Reply => {
    const reply = replies[asked.length];
    asked.push(request);
    if (reply === undefined) throw new Error("Asked too often.");
    if (reply instanceof Error) throw reply;
    return reply;
  };
  return { asked, step };
}

describe("a drain", () => {
  test("carries the cursor and its server from step to step, and adds up", async () => {
    const { store, cleanup } = scene();
    const more: DrainReply = { kind: "more", cursor: "96", replicationId: 7, deleted: 300, kept: 0 };
    const { asked, step } = inTurn<Parameters<CacheStore["drain"]>[0], DrainReply>([
      more,
      { ...more, cursor: "5" },
      finished,
    ]);
    store.intercept("drain", step);
    expect(await cleanup.drain(drain)).toBe(601);
    expect(asked).toEqual([
      { drain, count: 300, cursor: "0" },
      // Larger while replies come at once.
      { drain, count: 375, cursor: "96", replicationId: 7 },
      { drain, count: 469, cursor: "5", replicationId: 7 },
    ]);
  });

  test("begins anew when another server answers (H12)", async () => {
    const { store, cleanup } = scene();
    const more: DrainReply = { kind: "more", cursor: "96", replicationId: 7, deleted: 300, kept: 0 };
    const { asked, step } = inTurn<Parameters<CacheStore["drain"]>[0], DrainReply>([
      more,
      { kind: "restart" },
      finished,
    ]);
    store.intercept("drain", step);
    expect(await cleanup.drain(drain)).toBe(301);
    expect(asked[2]).toEqual({ drain, count: 469, cursor: "0" });
  });

  test("that runs is joined; one asked for afterwards runs again", async () => {
    const { store, cleanup } = scene();
    const held = latch();
    store.intercept("drain", async () => {
      await held.opened;
      return finished;
    });
    const both = [cleanup.drain(drain), cleanup.drain({ ...drain })];
    const other = cleanup.drain({ ...drain, document: "b" });
    expect(cleanup.draining).toBe(2);
    held.open();
    expect(await Promise.all([...both, other])).toEqual([1, 1, 1]);
    expect(store.count("drain")).toBe(2);
    expect(cleanup.draining).toBe(0);
    await cleanup.drain(drain);
    expect(store.count("drain")).toBe(3);
  });

  test("is tried again while the store is away, longer each time, and then goes on where it was", async () => {
    const { store, clock, cleanup } = scene();
    const more: DrainReply = { kind: "more", cursor: "96", replicationId: 7, deleted: 300, kept: 0 };
    const replies = [more, unavailable(), unavailable(), finished];
    const { asked, step } = inTurn<Parameters<CacheStore["drain"]>[0], DrainReply>(replies);
    store.intercept("drain", step);
    const run = cleanup.drain(drain);
    await settle();
    clock.advance(99);
    await settle();
    expect(asked).toHaveLength(2);
    clock.advance(1);
    await settle();
    expect(asked).toHaveLength(3);
    clock.advance(200);
    expect(await run).toBe(301);
    // A failure says nothing about how fast replies come.
    expect(asked[3]).toEqual({ drain, count: 375, cursor: "96", replicationId: 7 });
  });

  test("gives up after its attempts, and may be asked for again", async () => {
    const { store, clock, cleanup } = scene();
    store.intercept("drain", () => Promise.reject(unavailable()));
    const run = cleanup.drain(drain);
    const rejected = expect(run).rejects.toMatchObject({ code: "UNSTALE_VALKEY_UNAVAILABLE" });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await settle();
      clock.advance(10_000);
    }
    await rejected;
    expect(store.count("drain")).toBe(3);
    expect([cleanup.draining, clock.sleeping]).toEqual([0, 0]);
    store.restore();
    expect(await cleanup.drain(drain)).toBe(0);
  });

  test("is not tried again when that cannot help", async () => {
    const { store, cleanup } = scene();
    store.fail(cacheError("UNSTALE_VALKEY_REFUSED", "no"));
    await expect(cleanup.drain(drain)).rejects.toMatchObject({ code: "UNSTALE_VALKEY_REFUSED" });
    expect(store.count("drain")).toBe(1);
  });

  test("ends where the keys are of a newer format: what is left is the newer programs'", async () => {
    const { store, cleanup } = scene();
    store.intercept("drain", () => ({ kind: "format" }));
    await expect(cleanup.drain(drain)).rejects.toMatchObject({ code: "UNSTALE_FORMAT_TOO_NEW", retryable: false });
    expect(store.count("drain")).toBe(1);
  });
});

describe("a sweep", () => {
  test("goes on to the end of its scan", async () => {
    const { store, cleanup } = scene();
    const { asked, step } = inTurn<{ cursor: string }, SweepReply>([
      { kind: "swept", cursor: "7:12", scanned: 500, deleted: 3 },
      lastPage,
    ]);
    store.intercept("sweep", step);
    expect(await cleanup.sweep("docs")).toBe(4);
    expect(asked.map(({ cursor }) => cursor)).toEqual(["0", "7:12"]);
  });

  test("ends where the keys are of a newer format", async () => {
    const { store, cleanup } = scene();
    store.intercept("sweep", () => ({ kind: "format" }));
    await expect(cleanup.sweep("docs")).rejects.toMatchObject({ code: "UNSTALE_FORMAT_TOO_NEW" });
    expect(store.count("sweep")).toBe(1);
  });

  test("asked for while one runs begins after it, and is shared by all who asked meanwhile", async () => {
    const { store, cleanup } = scene();
    const passes = [latch(), latch()];
    let begun = 0;
    store.intercept("sweep", async () => {
      begun += 1;
      await passes[begun - 1]?.opened;
      return { ...lastPage, deleted: begun };
    });
    const first = cleanup.sweep("docs");
    await settle();
    const second = cleanup.sweep("docs");
    const third = cleanup.sweep("docs");
    await settle();
    expect(begun).toBe(1);
    passes[0]?.open();
    expect(await first).toBe(1);
    await settle();
    expect(begun).toBe(2);
    passes[1]?.open();
    expect(await Promise.all([second, third])).toEqual([2, 2]);
  });

  test("of another namespace does not wait", async () => {
    const { store, cleanup } = scene();
    const held = latch();
    store.intercept("sweep", async (_, { namespace }) => {
      if (namespace === "docs") await held.opened;
      return lastPage;
    });
    const waiting = cleanup.sweep("docs");
    expect(await Promise.all([cleanup.sweep(undefined), cleanup.sweep("docs:x")])).toEqual([1, 1]);
    held.open();
    expect(await waiting).toBe(1);
  });

  test("comes after one that failed", async () => {
    const { store, cleanup } = scene();
    const held = latch();
    store.intercept("sweep", async (proceed) => {
      if (store.count("sweep") > 1) return proceed();
      await held.opened;
      throw cacheError("UNSTALE_VALKEY_REFUSED", "no");
    });
    const first = expect(cleanup.sweep("docs")).rejects.toMatchObject({ code: "UNSTALE_VALKEY_REFUSED" });
    await settle();
    const second = cleanup.sweep("docs");
    held.open();
    await first;
    expect(await second).toBe(0);
  });
});

describe("stopping", () => {
  test("wakes what waits, and lets nothing begin", async () => {
    const { store, clock, cleanup } = scene();
    store.fail(unavailable());
    const drained = expect(cleanup.drain(drain)).rejects.toThrow("stopped");
    const swept = expect(cleanup.sweep(undefined)).rejects.toThrow("stopped");
    await settle();
    expect(clock.sleeping).toBe(2);
    cleanup.stop();
    await Promise.all([drained, swept]);
    expect([cleanup.draining, clock.sleeping]).toEqual([0, 0]);
    const before = store.calls.length;
    await expect(cleanup.drain(drain)).rejects.toThrow("stopped");
    expect(store.calls).toHaveLength(before);
  });

  test("breaks a drain off between two steps", async () => {
    const { store, cleanup } = scene();
    const held = latch();
    store.intercept("drain", async () => {
      await held.opened;
      return { kind: "more", cursor: "1", replicationId: 7, deleted: 1, kept: 0 };
    });
    const run = expect(cleanup.drain(drain)).rejects.toThrow("stopped");
    await settle();
    cleanup.stop();
    held.open();
    await run;
    expect(store.count("drain")).toBe(1);
  });
});
