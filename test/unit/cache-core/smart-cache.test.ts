import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { type CacheWarning, decodeLease, encodeLease, SmartCache } from "@unstale/cache-core";
import { until } from "../../support/latch.ts";
import { type TestCache, testCache } from "../../support/smart-cache.ts";

let t: TestCache;
let cache: SmartCache;

beforeEach(() => {
  t = testCache();
  cache = t.cache;
});

afterEach(async () => {
  expect(await t.end()).toBe(0);
});

const leaseOf = async (query: string, namespace?: string): Promise<string> => {
  const found = await cache.get(query, { namespace });
  if (found.hit) throw new Error("A miss was expected.");
  return found.lease;
};

describe("get and set", () => {
  test("a miss gives a lease, a write under it is fenced, and a hit tells the sources", async () => {
    const lease = await leaseOf("q");
    expect(await cache.set("q", "a", { sources: ["article:42", "article:42", "faq:1"], lease })).toEqual({
      written: true,
      fenced: true,
    });
    expect(await cache.get("q")).toEqual({ hit: true, response: "a", sources: ["article:42", "faq:1"] });
  });

  test("a source that changed after the lease refuses the write, and says when it changed", async () => {
    const lease = await leaseOf("q");
    t.clock.advance(38);
    await cache.invalidateSource("article:42");
    expect(await cache.set("q", "late", { sources: ["article:42"], lease })).toEqual({
      written: false,
      reason: "changed",
      document: "article:42",
      changedAfterMs: 38,
    });
    expect(await cache.get("q")).toMatchObject({ hit: false });
  });

  test("a namespace that was invalidated after the lease refuses the write", async () => {
    const lease = await leaseOf("q", "docs:technical");
    await cache.invalidateNamespace("docs");
    const late = await cache.set("q", "late", { namespace: "docs:technical", lease });
    expect(late).toMatchObject({ written: false, reason: "version" });
  });

  test("a lease crosses processes as text, and lease() gives one without a look-up", async () => {
    const lease = await cache.lease("q");
    expect(await t.another().set("q", "a", { lease })).toEqual({ written: true, fenced: true });
    const again = await cache.lease("q");
    expect(await cache.set("q", "b", { lease: again })).toEqual({ written: true, fenced: true });
    expect(await cache.get("q")).toMatchObject({ response: "b" });
  });

  test.each([
    ["another query", "p", undefined],
    ["another namespace", "q", "docs"],
  ])("a lease for %s refuses the write", async (_, query, namespace) => {
    const lease = await leaseOf(query, namespace);
    expect(await cache.set("q", "a", { lease })).toEqual({ written: false, reason: "not-this-query" });
  });

  test("text that is no lease is an error, a lease of a later version a refusal", async () => {
    await expect(cache.set("q", "a", { lease: "yesterday" })).rejects.toMatchObject({
      code: "UNSTALE_INVALID_ARGUMENT",
    });
    const later = (await cache.lease("q")).replace("u1-", "u2-");
    expect(await cache.set("q", "a", { lease: later })).toEqual({ written: false, reason: "format" });
  });

  test("a lease of lost state refuses the write", async () => {
    const lease = decodeLease(await cache.lease("q"));
    if (!lease?.snapshot) throw new Error("A lease with a snapshot was expected.");
    const foreign = encodeLease({ ...lease, snapshot: { ...lease.snapshot, birth: lease.snapshot.birth + 1 } });
    expect(await cache.set("q", "a", { lease: foreign })).toEqual({ written: false, reason: "lost" });
  });

  test("without a lease the write is not fenced, and that is warned of once", async () => {
    const warnings: CacheWarning[] = [];
    const plain = t.another({ onWarning: (warning) => warnings.push(warning) });
    expect(await plain.set("q", "a", { sources: ["article:42"] })).toEqual({ written: true, fenced: false });
    expect(await plain.set("p", "a")).toEqual({ written: true, fenced: false });
    expect(warnings.map(({ code }) => code)).toEqual(["unfenced-write"]);
    await cache.invalidateSource("article:42");
    expect(await cache.get("q")).toMatchObject({ hit: false });
  });

  test("without a lease the write is tried again under versions that moved meanwhile", async () => {
    await cache.set("q", "a", { namespace: "docs" });
    await t.another().invalidateNamespace("docs");
    expect(await cache.set("q", "b", { namespace: "docs" })).toEqual({ written: true, fenced: false });
    expect(await cache.get("q", { namespace: "docs" })).toMatchObject({ response: "b" });
  });

  test("without a lease the write survives that all state was lost", async () => {
    await cache.set("q", "a", { namespace: "docs" });
    t.memory.keyspace.flush();
    expect(await cache.set("q", "b", { namespace: "docs" })).toEqual({ written: true, fenced: false });
  });

  test("a source version that is known to be old refuses the write, and makes its document a source", async () => {
    await cache.lease("q");
    await t.memory.invalidate({ bucket: 0, documents: [{ id: "article:42", version: 18 }], scopes: [] });
    const lease = await cache.lease("q");
    const sourceVersions = { "article:42": 17 };
    expect(await cache.set("q", "a", { lease, sourceVersions })).toMatchObject({ written: false, reason: "changed" });
    expect(await cache.set("q", "a", { lease, sourceVersions: { "article:42": 18 } })).toMatchObject({ written: true });
    expect(await cache.get("q")).toMatchObject({ sources: ["article:42"] });
  });

  test("an entry that another program encoded in an unknown way is a miss with a good lease", async () => {
    await cache.set("q", { a: 1 });
    t.store.intercept("read", async (proceed) => {
      const reply = await proceed();
      return reply.kind === "hit" ? { ...reply, codec: "msgpack" } : reply;
    });
    const lease = await leaseOf("q");
    expect(await cache.set("q", "mine", { lease })).toEqual({ written: true, fenced: true });
  });

  test("an entry lives as long as its TTL says", async () => {
    await cache.set("q", "a", { ttl: "90s" });
    t.clock.advance(89_000);
    expect(await cache.get("q")).toMatchObject({ hit: true });
    t.clock.advance(2_000);
    expect(await cache.get("q")).toMatchObject({ hit: false });
  });
});

describe("invalidation", () => {
  test("of sources tells what it did", async () => {
    for (const query of ["a", "b", "c"]) await cache.set(query, "x", { sources: [query, "list:all"] });
    expect(await cache.invalidateSource(["a", "b", "a"])).toEqual({
      documents: 2,
      tags: 0,
      entries: 2,
      drains: 0,
      leftovers: 0,
    });
    expect(await cache.get("c")).toMatchObject({ hit: true });
    expect(await cache.invalidateSource([])).toMatchObject({ documents: 0, entries: 0 });
  });

  test("of a large document deletes everything before it resolves", async () => {
    for (let index = 0; index < 500; index += 1) await cache.set(`q${index}`, "x", { sources: ["list:all"] });
    expect(await cache.invalidateSource("list:all")).toMatchObject({ documents: 1, entries: 500, drains: 1 });
    expect(await cache.get("q7")).toMatchObject({ hit: false });
  });

  test("finishes one drain that somebody else left", async () => {
    for (let index = 0; index < 300; index += 1) await cache.set(`q${index}`, "x", { sources: ["list:all"] });
    await t.memory.invalidate({ bucket: 0, documents: [{ id: "list:all" }], scopes: [] });
    expect(await cache.invalidateSource("article:1")).toMatchObject({ documents: 1, entries: 0, leftovers: 300 });
  });

  test("is done although a leftover drain is in trouble", async () => {
    t.store.intercept("heartbeat", () => Promise.reject(new Error("in trouble")));
    expect(await cache.invalidateSource("article:1")).toMatchObject({ documents: 1, leftovers: 0 });
  });

  test("of more documents than one step may touch", async () => {
    await cache.set("q", "x", { sources: ["article:1200"] });
    const ids = Array.from({ length: 1_500 }, (_, index) => `article:${index}`);
    expect(await cache.invalidateSource(ids)).toMatchObject({ documents: 1_500, entries: 1 });
  });

  test("of a namespace ends its deeper levels, and nothing beside it", async () => {
    for (const namespace of ["docs", "docs:technical", "faqs"]) await cache.set("q", "x", { namespace });
    expect(await cache.invalidateNamespace("docs")).toMatchObject({ documents: 0, tags: 1, entries: 2 });
    const hits = await Promise.all(
      ["docs", "docs:technical", "faqs"].map(async (namespace) => (await cache.get("q", { namespace })).hit),
    );
    expect(hits).toEqual([false, false, true]);
  });

  test("of everything", async () => {
    await cache.set("q", "x");
    await cache.set("q", "x", { namespace: "docs" });
    expect(await cache.invalidateAll()).toMatchObject({ tags: 1, entries: 2 });
    expect(await cache.get("q")).toMatchObject({ hit: false });
  });
});

describe("close", () => {
  test("ends every later call with UNSTALE_CLOSED, is idempotent, and leaves a given store open", async () => {
    await Promise.all([cache.close(), cache.close()]);
    await expect(cache.get("q")).rejects.toMatchObject({ code: "UNSTALE_CLOSED" });
    await expect(cache.lease("q")).rejects.toMatchObject({ code: "UNSTALE_CLOSED" });
    await expect(cache.set("q", "a")).rejects.toMatchObject({ code: "UNSTALE_CLOSED" });
    await expect(cache.getOrSet("q", () => "a")).rejects.toMatchObject({ code: "UNSTALE_CLOSED" });
    await expect(cache.invalidateAll()).rejects.toMatchObject({ code: "UNSTALE_CLOSED" });
    expect(t.store.closed).toBe(false);
  });

  test("breaks deletions off that wait for the store", async () => {
    await cache.set("q", "x", { namespace: "docs" });
    t.store.intercept("sweep", () => Promise.reject(Object.assign(new Error("away"), { retryable: true })));
    const failing = cache.invalidateNamespace("docs");
    await Promise.all([expect(failing).rejects.toThrow(), until(() => t.store.count("sweep") > 0)]);
    await cache.close();
  });

  test("does not close a ready client", async () => {
    let ended = false;
    const client = {
      status: "ready",
      call: async () => [],
      evalsha: async () => [],
      eval: async () => [],
      once: () => undefined,
      removeListener: () => undefined,
      disconnect: () => {
        ended = true;
      },
    };
    const onClient = new SmartCache({ valkey: client, onWarning: () => undefined });
    await onClient.close();
    expect(ended).toBe(false);
  });
});
