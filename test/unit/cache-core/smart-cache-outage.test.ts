import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { cacheError, decodeLease, type SmartCache } from "@unstale/cache-core";
import { latch, settle, until } from "../../support/latch.ts";
import { outage, type TestCache, testCache } from "../../support/smart-cache.ts";

let t: TestCache;
let cache: SmartCache;

beforeEach(() => {
  t = testCache();
  cache = t.cache;
});

afterEach(async () => {
  expect(await t.end()).toBe(0);
});

describe("while the store is away", () => {
  test("get is a miss whose lease every write refuses, also when the store is back (I4)", async () => {
    t.store.fail(outage);
    const miss = await cache.get("q");
    if (miss.hit) throw new Error("A miss was expected.");
    expect(decodeLease(miss.lease)).toEqual({ subject: expect.any(String) });
    t.store.restore();
    expect(await cache.set("q", "a", { lease: miss.lease })).toEqual({ written: false, reason: "unavailable" });
    expect(await cache.get("q")).toMatchObject({ hit: false });
  });

  test("lease gives such a lease too", async () => {
    t.store.fail(outage);
    const lease = await cache.lease("q");
    t.store.restore();
    expect(await cache.set("q", "a", { lease })).toEqual({ written: false, reason: "unavailable" });
  });

  test("set is refused, with and without a lease", async () => {
    const lease = await cache.lease("q");
    t.store.fail(outage);
    expect(await cache.set("q", "a", { lease })).toEqual({ written: false, reason: "unavailable" });
    expect(await cache.set("q", "a")).toEqual({ written: false, reason: "unavailable" });
  });

  test("getOrSet gives the fill's answer, uncached, and asks for no lock", async () => {
    t.store.fail(outage);
    const answer = await cache.getOrSet("q", (context) => {
      context.dependsOn("article:42");
      return "fresh";
    });
    expect(answer).toEqual({ response: "fresh", sources: ["article:42"], status: "uncached", reason: "unavailable" });
    expect(t.store.count("acquireFill")).toBe(0);
    expect(t.store.count("commit")).toBe(0);
  });

  test("any error of the store is as good as an outage for a look-up", async () => {
    t.store.intercept("read", () => Promise.reject(cacheError("UNSTALE_VALKEY_REFUSED", "NOAUTH")));
    expect(await cache.get("q")).toMatchObject({ hit: false });
  });

  test("invalidations fail: nobody else would notice", async () => {
    t.store.fail(outage);
    for (const call of [cache.invalidateSource("a"), cache.invalidateNamespace("docs"), cache.invalidateAll()]) {
      await expect(call).rejects.toMatchObject({ code: "UNSTALE_VALKEY_UNAVAILABLE", retryable: true });
    }
  });

  test("it is warned of once, and look-ups are hits again when it is back", async () => {
    const warnings: string[] = [];
    const warned = t.another({ onWarning: ({ code }) => warnings.push(code) });
    await warned.getOrSet("q", () => "a");
    t.store.fail(outage);
    await warned.get("q");
    await warned.get("q");
    t.store.restore();
    expect(await warned.get("q")).toMatchObject({ hit: true });
    expect(warnings).toEqual(["store-error"]);
  });
});

describe("while the store does not answer", () => {
  test("a look-up is a miss after 250 ms, all its steps together", async () => {
    t.store.intercept("read", () => new Promise(() => undefined));
    const miss = cache.get("q");
    await until(() => t.store.count("read") === 1);
    t.clock.advance(249);
    await settle();
    expect(t.clock.sleeping).toBeGreaterThan(0);
    t.clock.advance(1);
    expect(await miss).toMatchObject({ hit: false });
  });

  test("a look-up whose deployment check hangs is a miss as well", async () => {
    t.store.intercept("configure", () => new Promise(() => undefined));
    const misses = [cache.get("q"), cache.get("p")];
    await until(() => t.store.count("configure") === 1);
    t.clock.advance(250);
    for (const miss of misses) expect(await miss).toMatchObject({ hit: false });
  });

  test("a write is refused after writeTimeoutMs", async () => {
    const lease = await cache.lease("q");
    t.store.intercept("commit", () => new Promise(() => undefined));
    const write = cache.set("q", "a", { lease });
    await until(() => t.store.count("commit") === 1);
    t.clock.advance(1_000);
    expect(await write).toEqual({ written: false, reason: "unavailable" });
  });

  test("getOrSet gives its answer after writeTimeoutMs, uncached, and others do not take it", async () => {
    t.store.intercept("commit", () => new Promise(() => undefined));
    const door = latch<string>();
    const owner = cache.getOrSet("q", () => door.opened);
    await until(() => t.store.count("acquireFill") === 1);
    await settle();
    const joiner = cache.getOrSet("q", () => "own");
    await settle();
    door.open("first");
    await until(() => t.store.count("commit") === 1);
    t.clock.advance(1_000);
    expect(await owner).toMatchObject({ response: "first", status: "uncached", reason: "unavailable" });
    await until(() => t.store.count("commit") === 2);
    t.clock.advance(1_000);
    expect(await joiner).toMatchObject({ response: "own", status: "uncached" });
  });

  test("what answers too late is not taken for an answer", async () => {
    await cache.set("q", "old");
    const reply = latch();
    t.store.intercept("read", async (proceed) => {
      const found = await proceed();
      await reply.opened;
      return found;
    });
    const miss = cache.get("q");
    await until(() => t.store.count("read") === 1);
    t.clock.advance(250);
    reply.open();
    expect(await miss).toMatchObject({ hit: false });
  });
});

describe("state that moves or is lost", () => {
  test("versions that move under a look-up are followed", async () => {
    const other = t.another();
    await cache.set("q", "a", { namespace: "docs" });
    await other.invalidateNamespace("docs");
    await other.set("q", "b", { namespace: "docs" });
    expect(await cache.get("q", { namespace: "docs" })).toMatchObject({ response: "b" });
  });

  test("versions that move without end are a miss with a good lease", async () => {
    let version = 0;
    t.store.intercept("read", async () => {
      version += 1;
      return { kind: "moved", versions: [String(version)] };
    });
    const miss = await cache.get("q");
    if (miss.hit) throw new Error("A miss was expected.");
    expect(t.store.count("read")).toBe(4);
    expect(await cache.set("q", "a", { lease: miss.lease })).toEqual({ written: true, fenced: true });
  });

  test("lost state is a miss, and the deployment record is written again", async () => {
    await cache.set("q", "a");
    t.memory.keyspace.flush();
    expect(await cache.get("q")).toMatchObject({ hit: false });
    await cache.get("q");
    expect(await t.memory.deployment()).toMatchObject({ buckets: 1 });
  });

  test("keys of a newer format are a miss, a refusal, and an error for invalidations", async () => {
    t.store.intercept("read", async () => ({ kind: "format" }));
    t.store.intercept("open", async () => ({ kind: "format" }));
    t.store.intercept("invalidate", async () => ({ kind: "format" }));
    const miss = await cache.get("q");
    if (miss.hit) throw new Error("A miss was expected.");
    expect(await cache.set("q", "a", { lease: miss.lease })).toMatchObject({ written: false, reason: "unavailable" });
    expect(await cache.set("q", "a")).toEqual({ written: false, reason: "format" });
    expect(await cache.getOrSet("q", () => "a")).toMatchObject({ status: "refused", reason: "format" });
    await expect(cache.invalidateAll()).rejects.toMatchObject({ code: "UNSTALE_FORMAT_TOO_NEW" });
  });
});

describe("a deployment with other settings", () => {
  const calls: Record<string, (one: SmartCache) => Promise<unknown>> = {
    get: (one) => one.get("q"),
    lease: (one) => one.lease("q"),
    set: (one) => one.set("q", "a"),
    getOrSet: (one) => one.getOrSet("q", () => "a"),
    invalidateSource: (one) => one.invalidateSource("a"),
    invalidateAll: (one) => one.invalidateAll(),
  };

  test.each(Object.keys(calls))("is an error that names the settings, from every call of %s", async (name) => {
    await cache.get("q");
    const other = t.another({ entryPrefix: "answers:" });
    for (let time = 0; time < 2; time += 1) {
      await expect(calls[name]?.(other)).rejects.toMatchObject({
        code: "UNSTALE_CONFIG_MISMATCH",
        message: expect.stringContaining('entryPrefix is "cache:" there, "answers:" here'),
      });
    }
  });

  test("is agreed with as soon as the record is another one", async () => {
    await t.another({ entryPrefix: "answers:" }).get("q");
    await expect(cache.get("q")).rejects.toMatchObject({ code: "UNSTALE_CONFIG_MISMATCH" });
    t.memory.keyspace.flush();
    expect(await cache.get("q")).toMatchObject({ hit: false });
  });

  test("of a newer format is a miss, a refusal, and an error for invalidations; nothing is touched", async () => {
    t.memory.keyspace.hset("unstale:config", { format: "2", entryPrefix: "new:" });
    const miss = await cache.get("q");
    if (miss.hit) throw new Error("A miss was expected.");
    expect(await cache.set("q", "a", { lease: miss.lease })).toMatchObject({ written: false, reason: "unavailable" });
    expect(await cache.set("q", "a")).toEqual({ written: false, reason: "format" });
    expect(await cache.getOrSet("q", () => "a")).toMatchObject({ response: "a", status: "refused" });
    await expect(cache.invalidateSource("a")).rejects.toMatchObject({ code: "UNSTALE_FORMAT_TOO_NEW" });
    expect(t.memory.keyspace.keys()).toEqual(["unstale:config"]);
  });

  test("an outage while asking never breaks a look-up, and the question is asked again", async () => {
    t.store.intercept("configure", () => Promise.reject(outage));
    expect(await cache.get("q")).toMatchObject({ hit: false });
    t.store.restore();
    await cache.getOrSet("q", () => "a");
    expect(await cache.get("q")).toMatchObject({ hit: true });
    expect(t.store.count("configure")).toBeGreaterThan(1);
  });
});
