import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { createMemoryStore, SmartCache, type SmartCacheOptions } from "@unstale/cache-core";
import { checkOptions } from "../../../cache-core/smart-cache-options.ts";
import { type TestCache, testCache } from "../../support/smart-cache.ts";

let t: TestCache;

beforeEach(() => {
  t = testCache();
});

afterEach(async () => {
  expect(await t.end()).toBe(0);
});

const invalid = (message: RegExp) => ({ code: "UNSTALE_INVALID_ARGUMENT", message: expect.stringMatching(message) });

describe("input that cannot be used is an error before anything is asked of the store", () => {
  const uses: Record<string, (query: string, namespace?: string) => Promise<unknown>> = {
    get: (query, namespace) => t.cache.get(query, { namespace }),
    lease: (query, namespace) => t.cache.lease(query, { namespace }),
    set: (query, namespace) => t.cache.set(query, "a", { namespace }),
    getOrSet: (query, namespace) => t.cache.getOrSet(query, () => "a", { namespace }),
  };

  test.each(Object.keys(uses))("%s: a query of 1 MB, an empty one, one that is no text", async (method) => {
    for (const query of ["x".repeat(1024 * 1024), "", "\ud800", 42 as never, undefined as never]) {
      await expect(uses[method]?.(query)).rejects.toMatchObject(invalid(/^query: expected well-formed text/));
    }
    expect(t.store.calls).toEqual([]);
  });

  test.each(Object.keys(uses))("%s: a namespace that would break keys or patterns", async (method) => {
    for (const namespace of [
      "",
      "docs:",
      "docs::a",
      "version",
      "v42",
      "docs:v1.2",
      "a*",
      "{a}",
      "a\n",
      "a:b:c:d:e:f:g:h:i",
      7 as never,
    ]) {
      await expect(uses[method]?.("q", namespace)).rejects.toMatchObject(invalid(/^namespace: expected/));
    }
    expect(t.store.calls).toEqual([]);
  });

  test.each([0, -1, Number.NaN, "", "soon", 3_600_000])("a TTL of %p", async (ttl) => {
    await expect(t.cache.set("q", "a", { ttl })).rejects.toMatchObject(invalid(/^ttl: /));
    await expect(t.cache.getOrSet("q", () => "a", { ttl })).rejects.toMatchObject(invalid(/^ttl: /));
    expect(t.store.calls).toEqual([]);
  });

  test.each(["", " a", "\ud800", "x".repeat(513), 7 as never])("a document id %p", async (id) => {
    await expect(t.cache.set("q", "a", { sources: [id] })).rejects.toMatchObject(invalid(/^document id: /));
    await expect(t.cache.getOrSet("q", () => "a", { sources: [id] })).rejects.toMatchObject(invalid(/^document id: /));
    await expect(t.cache.invalidateSource([id])).rejects.toMatchObject(invalid(/^document id: /));
    expect(t.store.calls).toEqual([]);
  });

  test("a response that has no JSON form, or is larger than allowed", async () => {
    await expect(t.cache.set("q", undefined)).rejects.toMatchObject(invalid(/got undefined/));
    const small = t.another({ maxResponseBytes: 3 });
    await expect(small.set("q", "äö")).rejects.toMatchObject(invalid(/at most 3 bytes \(maxResponseBytes\); got 4/));
    expect(t.store.calls).toEqual([]);
  });

  test("a fill that is no function, and no namespace at all", async () => {
    await expect(t.cache.getOrSet("q", "a" as never)).rejects.toMatchObject(invalid(/^fill: expected a function/));
    await expect(t.cache.invalidateNamespace(undefined as never)).rejects.toMatchObject(invalid(/^namespace: /));
  });
});

describe("input that is unusual works", () => {
  test("10,000 sources are a refusal, not an error", async () => {
    const sources = Array.from({ length: 10_000 }, (_, index) => `article:${index}`);
    const lease = await t.cache.lease("q");
    expect(await t.cache.set("q", "a", { sources, lease })).toEqual({ written: false, reason: "too-many-sources" });
    expect(t.store.count("commit")).toBe(0);
    expect(await t.cache.set("q", "a", { sources: sources.slice(0, 256), lease })).toMatchObject({ written: true });
  });

  test.each([
    "article:{42}",
    "a:b:c",
    "*",
    "a*b?[c]",
    "ünï-🚀",
    "\u0001\u0000\uffff",
    "__proto__",
    "constructor",
    "v1",
    "\\",
  ])("the document id %j", async (id) => {
    await t.cache.set("q", "a", { sources: [id], sourceVersions: { other: 1 } });
    expect(await t.cache.get("q")).toMatchObject({ hit: true, sources: [id, "other"] });
    expect(await t.cache.invalidateSource(id)).toMatchObject({ documents: 1, entries: 1 });
    expect(await t.cache.get("q")).toMatchObject({ hit: false });
  });

  test("a query with any character", async () => {
    const query = "{a}:*\n\u0000 ünï 🚀 __proto__";
    await t.cache.set(query, "a");
    expect(await t.cache.get(query)).toMatchObject({ response: "a" });
  });
});

describe("options", () => {
  const make = (options: object) => () => new SmartCache({ store: t.store, ...options } as SmartCacheOptions);

  test.each<[object, RegExp]>([
    [{ store: undefined }, /expected either valkey .* or store; got neither/],
    [{ valkey: "redis://127.0.0.1:6379" }, /got both/],
    [{ readTimeoutMs: 251 }, /readTimeoutMs: expected a whole number from 1 to 250; got 251/],
    [{ readTimeoutMs: 0 }, /readTimeoutMs/],
    [{ writeTimeoutMs: 2 ** 31 }, /writeTimeoutMs/],
    [{ maxConcurrentFills: 0 }, /maxConcurrentFills/],
    [{ maxConcurrentFills: 1.5 }, /maxConcurrentFills/],
    [{ maxSources: 1_001 }, /maxSources/],
    [{ maxResponseBytes: "4MB" }, /maxResponseBytes/],
    [{ fillWaitMs: -1 }, /fillWaitMs/],
    [{ fillLockTtlMs: 99 }, /fillLockTtlMs/],
    [{ buckets: 0 }, /buckets/],
    [{ buckets: 4, foreignWriters: true }, /foreignWriters: expected false with 4 buckets/],
    [{ entryPrefix: "ca*he:" }, /entryPrefix: expected 1 to 64 characters/],
    [{ entryPrefix: "" }, /entryPrefix/],
    [{ dependencyPrefixes: [] }, /dependencyPrefixes: expected at least one/],
    [{ dependencyPrefixes: ["{a}"] }, /dependencyPrefixes: expected 1 to 64/],
    [{ jitter: 1 }, /jitter: expected/],
    [{ defaultTtl: "forever" }, /ttl: expected/],
  ])("%j is an error that says what is expected", (options, message) => {
    expect(make(options)).toThrow(expect.objectContaining(invalid(message)));
  });

  test("a URL that is none is an error that shows no password", () => {
    const open = () => new SmartCache({ valkey: "http://user:secret@host" });
    expect(open).toThrow(expect.objectContaining(invalid(/valkey: expected a URL/)));
    expect(open).not.toThrow(/secret/);
  });

  test("prefixes are where entries and sets go", async () => {
    const layout = { entryPrefix: "answers:", dependencyPrefixes: ["by_doc:"] } as const;
    const store = createMemoryStore({ layout, clock: t.clock });
    const cache = new SmartCache({ store, clock: t.clock, ...layout, onWarning: () => undefined });
    await cache.set("q", "a", { sources: ["article:42"] });
    const keys = store.keyspace.keys();
    expect(keys.some((key) => key.startsWith("answers:v"))).toBe(true);
    expect(keys).toContain("by_doc:article:42");
    await cache.close();
  });

  test("without onWarning, a warning goes where Node's warnings go", async () => {
    const emitted = jest.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const cache = new SmartCache({ store: t.store, clock: t.clock });
    await cache.set("q", "a");
    await cache.set("p", "a");
    expect(emitted.mock.calls).toEqual([
      [expect.stringContaining("without a lease"), { type: "UnstaleWarning", code: "unfenced-write" }],
    ]);
    emitted.mockRestore();
    await cache.close();
  });
});

describe("a cluster", () => {
  const ready = Object.assign(Object.create(null), {
    isCluster: true,
    status: "wait",
    options: {},
    on: () => undefined,
  });

  test.each([
    ["several addresses", "redis://127.0.0.1:1,127.0.0.1:2"],
    ["nodes", { cluster: ["redis://127.0.0.1:1"], lazyConnect: true }],
    ["a ready client", ready],
  ])("given as %s has 16 buckets, and never one", async (_, valkey) => {
    expect(checkOptions({ valkey })).toMatchObject({ layout: { buckets: 16 }, foreignWriters: false });
    expect(checkOptions({ valkey, buckets: 64 })).toMatchObject({ layout: { buckets: 64 } });
    expect(() => checkOptions({ valkey, buckets: 1 })).toThrow(/buckets: expected a whole number from 2/);
    expect(() => checkOptions({ valkey, foreignWriters: true })).toThrow(/know no hash tags/);
  });

  test("has no databases", () => {
    expect(() => new SmartCache({ valkey: "redis://127.0.0.1:1/2,127.0.0.1:2" })).toThrow(/no databases but 0/);
  });

  test("without nodes is none", () => {
    expect(() => new SmartCache({ valkey: { cluster: [] } })).toThrow(/expected at least one node/);
  });

  test("keeps the password of an address that cannot be read to itself", () => {
    const wrong = () => new SmartCache({ valkey: "http://:secret@a:1,b:2" });
    expect(wrong).toThrow(/expected a URL such as/);
    expect(wrong).not.toThrow(/secret/);
  });
});
