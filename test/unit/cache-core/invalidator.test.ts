import { describe, expect, test } from "@jest/globals";
import {
  createInvalidator,
  createMemoryStore,
  type Invalidation,
  type InvalidationReply,
  type Invalidator,
  type InvalidatorOptions,
  type MemoryStore,
  type StorePolicy,
} from "@unstale/cache-core";
import { cacheError } from "../../../cache-core/errors.ts";
import { latch, settle } from "../../support/latch.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { type ScriptedStore, scriptedStore } from "../../support/scripted-store.ts";

interface Scene {
  readonly memory: MemoryStore;
  readonly store: ScriptedStore;
  readonly invalidator: Invalidator;
  write(query: string, options: { sources: readonly string[]; namespace?: string; bucket?: number }): Promise<string>;
}

function createScene(policy: Partial<StorePolicy> = {}, options: Partial<InvalidatorOptions> = {}): Scene {
  const { buckets = 1 } = options;
  const memory = createMemoryStore({ policy, layout: { buckets } });
  const store = scriptedStore(memory);
  return {
    memory,
    store,
    invalidator: createInvalidator({ store, clock: new ManualClock(), ...options }),
    write: async (query, { sources, namespace, bucket = 0 }) => {
      const opened = await memory.open({ bucket, namespace });
      if (opened.kind !== "open") throw new Error(opened.kind);
      const place = { bucket, namespace, query };
      await memory.commit({ ...place, response: "x", sources, ttlMs: 60_000, lease: opened.snapshot });
      return memory.keys.entry(place, query, opened.snapshot.versions);
    },
  };
}

async function applied(reply: Promise<InvalidationReply>): Promise<Extract<InvalidationReply, { kind: "applied" }>> {
  const settled = await reply;
  if (settled.kind !== "applied") throw new Error(settled.kind);
  return settled;
}

const change = (...ids: readonly string[]): Invalidation => ({ documents: ids.map((id) => ({ id })), scopes: [] });
const position = { topic: "t", partition: 0, previous: 0, next: 1 };

describe("invalidating", () => {
  test("deletes, drains what is large, and settles when all of it is gone (I3)", async () => {
    const { invalidator, write, memory } = createScene({ inlineLimit: 1 });
    const keys = [
      await write("q", { sources: ["a"] }),
      await write("r", { sources: ["a"] }),
      await write("s", { sources: ["b"] }),
    ];
    const reply = await applied(invalidator.invalidate(change("a", "b")));
    expect(reply).toMatchObject({ deleted: 1, drains: 1, raised: 0, barrier: false, born: false });
    expect(await reply.settled).toEqual({ deleted: 2 });
    for (const key of keys) expect(memory.keyspace.exists(key)).toBe(false);
    expect(invalidator.draining).toBe(0);
  });

  test("resolves at the barrier, and settles later", async () => {
    const { invalidator, write, store } = createScene({ inlineLimit: 0 });
    await write("q", { sources: ["a"] });
    const held = latch();
    store.intercept("drain", async (proceed) => {
      await held.opened;
      return proceed();
    });
    const reply = await applied(invalidator.invalidate(change("a")));
    expect(invalidator.draining).toBe(1);
    held.open();
    expect(await reply.settled).toEqual({ deleted: 1 });
  });

  test("of many large sets drains a few at a time, so that nobody waits for all of them together (I7)", async () => {
    const { invalidator, write, store } = createScene({ inlineLimit: 0 });
    const ids = Array.from({ length: 20 }, (_, index) => `doc:${index}`);
    for (const id of ids) await write(id, { sources: [id] });
    let [underWay, most] = [0, 0];
    store.intercept("drain", async (proceed) => {
      underWay += 1;
      most = Math.max(most, underWay);
      await settle();
      underWay -= 1;
      return proceed();
    });
    const reply = await applied(invalidator.invalidate(change(...ids)));
    expect(await reply.settled).toEqual({ deleted: 20 });
    expect(most).toBe(3);
  });

  test("joins drains that somebody else left, and drains under way (H11)", async () => {
    const { invalidator, write, store, memory } = createScene({ inlineLimit: 0 });
    await write("q", { sources: ["a"] });
    await memory.invalidate({ bucket: 0, documents: [{ id: "a" }], scopes: [] });
    const held = latch();
    store.intercept("drain", async (proceed) => {
      await held.opened;
      return proceed();
    });
    const replies = [
      await applied(invalidator.invalidate(change("a"))),
      await applied(invalidator.invalidate(change("a"))),
    ];
    expect(replies.map(({ drains }) => drains)).toEqual([1, 1]);
    held.open();
    expect(await Promise.all(replies.map(({ settled }) => settled))).toEqual([{ deleted: 1 }, { deleted: 1 }]);
    expect(store.count("drain")).toBe(1);
  });

  test("goes to every bucket", async () => {
    const { invalidator, write, memory } = createScene({}, { buckets: 4 });
    const keys = [await write("q", { sources: ["a"], bucket: 0 }), await write("q", { sources: ["a"], bucket: 3 })];
    expect(await applied(invalidator.invalidate(change("a")))).toMatchObject({ deleted: 2 });
    for (const key of keys) expect(memory.keyspace.exists(key)).toBe(false);
  });

  test("of more documents than a step may touch takes several, and only the last one advances the account (I7)", async () => {
    const { invalidator, store, memory } = createScene();
    const ids = Array.from({ length: 1_001 }, (_, index) => `doc:${index}`);
    const calls: Parameters<MemoryStore["invalidate"]>[0][] = [];
    store.intercept("invalidate", (proceed, request) => {
      calls.push(request);
      return proceed();
    });
    await memory.attach({ bucket: 0, ...position, offset: 5 });
    await invalidator.invalidate({
      ...change(...ids),
      scopes: [{ offset: 7 }],
      barrier: true,
      position: { ...position, previous: 5, next: 9 },
    });
    // More and more of them, since nothing depends on any.
    expect(calls.map(({ documents }) => documents.length)).toEqual([100, 500, 401]);
    expect(calls.flatMap(({ documents }) => documents.map(({ id }) => id))).toEqual(ids);
    expect(calls.map(({ scopes }) => scopes.length)).toEqual([0, 0, 1]);
    expect(calls.map(({ barrier }) => barrier)).toEqual([undefined, undefined, true]);
    expect(calls.map((call) => call.position?.next)).toEqual([5, 5, 9]);
    expect(memory.keyspace.zscore("unstale:fence", "doc:1000")).toBeDefined();
  });

  test("of documents with many entries takes fewer at a time, so that none has to be drained", async () => {
    const { invalidator, store, memory, write } = createScene({ callBudget: 1_000 });
    const ids = Array.from({ length: 300 }, (_, index) => `doc:${index}`);
    for (const id of ids) {
      for (let entry = 0; entry < 10; entry += 1) await write(`${id} ${entry}`, { sources: [id] });
    }
    const sizes: number[] = [];
    store.intercept("invalidate", (proceed, request) => {
      sizes.push(request.documents.length);
      return proceed();
    });
    expect(await applied(invalidator.invalidate(change(...ids)))).toMatchObject({ deleted: 3_000, drains: 0 });
    expect(Math.max(...sizes)).toBe(100);
    expect(memory.keyspace.exists("doc_deps:doc:299")).toBe(false);
  });

  test("of nothing but a position advances the account", async () => {
    const { invalidator, memory } = createScene();
    await invalidator.invalidate({ documents: [], scopes: [], position });
    expect(await memory.heartbeat({ bucket: 0, partitions: [position] })).toMatchObject({ applied: [1] });
  });
});

describe("a fallen store", () => {
  test("is a rollback to where the bucket is that fell furthest, and nothing is drained or swept", async () => {
    const { invalidator, memory, store } = createScene({}, { buckets: 3 });
    for (const [bucket, offset] of [9, 3, 5].entries()) await memory.attach({ bucket, ...position, offset });
    const reply = await invalidator.invalidate({ ...change("a"), position: { ...position, previous: 9, next: 10 } });
    expect(reply).toEqual({ kind: "rollback", applied: 3 });
    await settle();
    expect([store.count("drain"), store.count("sweep")]).toEqual([0, 0]);
  });

  test("in the midst of many documents ends the call", async () => {
    const { invalidator, memory, store } = createScene();
    await memory.attach({ bucket: 0, ...position, offset: 5 });
    store.intercept("invalidate", async (proceed) => {
      const reply = await proceed();
      memory.keyspace.hset("unstale:state", { "applied:t:0": "2" });
      return reply;
    });
    const many = change(...Array.from({ length: 1_500 }, (_, index) => `doc:${index}`));
    const reply = await invalidator.invalidate({ ...many, position: { ...position, previous: 5, next: 9 } });
    expect(reply).toEqual({ kind: "rollback", applied: 2 });
    expect(store.count("invalidate")).toBe(2);
    expect(memory.keyspace.zscore("unstale:fence", "doc:600")).toBeUndefined();
  });

  test("that lost its account is a barrier, and keys without a version are swept", async () => {
    const { invalidator, memory } = createScene();
    memory.keyspace.hset("cache:plain", { query: "q" });
    const reply = await applied(
      invalidator.invalidate({ ...change("a"), position: { ...position, previous: 5, next: 6 } }),
    );
    expect(reply).toMatchObject({ barrier: true, raised: 1 });
    await reply.settled;
    expect(memory.keyspace.exists("cache:plain")).toBe(false);
  });

  test("that is away rejects, and so do deletions that could not be finished", async () => {
    const { invalidator, store, write } = createScene({ inlineLimit: 0 }, { attempts: 1 });
    await write("q", { sources: ["a"] });
    const away = cacheError("UNSTALE_VALKEY_UNAVAILABLE", "away");
    store.intercept("drain", () => Promise.reject(away));
    const reply = await applied(invalidator.invalidate(change("a")));
    await expect(reply.settled).rejects.toBe(away);
    store.fail(away);
    await expect(invalidator.invalidate(change("a"))).rejects.toBe(away);
  });

  test("of a newer format is an error that says so", async () => {
    const { invalidator, memory } = createScene();
    await memory.open({ bucket: 0 });
    memory.keyspace.zadd("unstale:fence", { " format": 2 });
    await expect(invalidator.invalidate(change("a"))).rejects.toMatchObject({ code: "UNSTALE_FORMAT_TOO_NEW" });
  });
});

describe("a namespace", () => {
  test("is swept, plain keys included, and counted when it settles (H21)", async () => {
    const { invalidator, memory, write } = createScene();
    const inside = await write("q", { sources: [], namespace: "docs:x" });
    const outside = await write("q", { sources: [] });
    memory.keyspace.hset("cache:docs:plain", { query: "q" });
    const reply = await applied(invalidator.invalidate({ documents: [], scopes: [{ namespace: "docs" }] }));
    expect(reply).toMatchObject({ raised: 1, deleted: 0 });
    expect(await reply.settled).toEqual({ deleted: 2 });
    expect([memory.keyspace.exists(inside), memory.keyspace.exists(outside)]).toEqual([false, true]);
  });

  test("is not swept apart where everything is", async () => {
    const { invalidator, store } = createScene({}, { buckets: 2 });
    const reply = await applied(invalidator.invalidate({ documents: [], scopes: [{ namespace: "docs" }, {}] }));
    await reply.settled;
    expect(store.count("sweep")).toBe(1);
  });
});

describe("leftover drains", () => {
  test("are finished one after the other", async () => {
    const { invalidator, memory, write } = createScene({ inlineLimit: 0 });
    for (const id of ["a", "b"]) await write(id, { sources: [id] });
    const taken = await memory.invalidate({ bucket: 0, documents: [{ id: "a" }, { id: "b" }], scopes: [] });
    if (taken.kind !== "applied") throw new Error(taken.kind);
    expect(await invalidator.finish(taken.drains)).toBe(2);
    expect(await memory.heartbeat({ bucket: 0, partitions: [] })).toMatchObject({ drains: [] });
  });

  test("are left where they are registered when it is stopped", async () => {
    const { invalidator, memory, write } = createScene({ inlineLimit: 0 });
    await write("q", { sources: ["a"] });
    invalidator.stop();
    const reply = await applied(invalidator.invalidate(change("a")));
    await expect(reply.settled).rejects.toThrow("stopped");
    expect(await memory.heartbeat({ bucket: 0, partitions: [] })).toMatchObject({ drains: [{ document: "a" }] });
  });
});
