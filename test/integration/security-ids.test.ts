// Ids that look like patterns, hash tags, scripts or other people's keys: only the named document's keys change.
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { type CacheStore, createInvalidator, createValkeyStore, documentIdProblem } from "@unstale/cache-core";
import { Redis } from "iovalkey";
import { createSubscriptions } from "../../consumers/index.ts";
import { describeWith, ownValkey } from "../support/services.ts";
import { sourceRecord } from "../support/source-records.ts";

jest.setTimeout(60_000);

const hostile = [
  "*",
  "article:*",
  "[a-z]?",
  "\\*",
  "{0}",
  "{}",
  "}{",
  "a\nb",
  "a\r\nDEL cache:version\r\n",
  "__proto__",
  "constructor",
  "'); redis.call('FLUSHALL') --",
  "KEYS[1]",
  "../../unstale:config",
  "unstale:fence",
  "cache:version",
  "doc_deps:victim",
  ":victim",
  "victim:",
  "victim\0",
  "-1",
  "(1",
  "+inf",
  "%s%n",
  "é漢\u{1f600}",
];

describeWith(["valkey"], "hostile ids", () => {
  let admin: Redis;
  let store: CacheStore;

  beforeAll(async () => {
    const valkey = await ownValkey();
    admin = new Redis(valkey.url);
    store = createValkeyStore({ valkey: valkey.url, timeoutMs: 20_000 });
    await Promise.all([admin.ping(), store.serverInfo()]);
  });
  afterAll(async () => {
    await store.close();
    await admin.quit();
  });

  const fill = async (query: string, source: string): Promise<void> => {
    const opened = await store.open({ bucket: 0 });
    if (opened.kind !== "open") throw new Error(opened.kind);
    const entry = { bucket: 0, response: "answer", ttlMs: 600_000, lease: opened.snapshot };
    expect(await store.commit({ ...entry, query, sources: [source] })).toEqual({ kind: "written" });
  };
  const isServed = async (query: string): Promise<boolean> => {
    const opened = await store.open({ bucket: 0 });
    const versions = opened.kind === "open" ? opened.snapshot.versions : [];
    return (await store.read({ bucket: 0, query, versions })).kind === "hit";
  };
  /** Every key with what is in it, but for the fences and clocks that each change moves. */
  const contents = async (): Promise<Map<string, string>> => {
    const keys = (await admin.keys("*")).filter((key) => !["unstale:fence", "unstale:versions"].includes(key)).sort();
    const dumps = await Promise.all(
      keys.map(async (key) => [key, (await admin.dumpBuffer(key)).toString("base64")] as const),
    );
    return new Map(dumps);
  };

  test("each reaches its own entry, and nothing of anybody else's", async () => {
    await admin.mset({ "session:1": "theirs", "article:1": "theirs", victim: "theirs" });
    await admin.sadd("doc_deps:foreign", "session:1", "victim");
    for (const [index, id] of ["victim", "article:1", "a", ...hostile].entries())
      await fill(`bystander ${index}`, `${id}.`);
    await fill("victim", "victim");
    // What decides: the event is read as it comes from a topic.
    const subscriptions = createSubscriptions([{ topic: "cms.documents", format: "json", wide: false }]);
    const invalidator = createInvalidator({ store, buckets: 1 });
    const before = await contents();
    for (const id of hostile) {
      expect(documentIdProblem(id)).toBeUndefined();
      await fill("target", id);
      const decoded = subscriptions.decode(sourceRecord({ value: Buffer.from(JSON.stringify({ id })) }));
      expect(decoded).toEqual({ kind: "changes", changes: [{ kind: "document", id }] });
      const call = await invalidator.invalidate({ documents: [{ id }], scopes: [] });
      if (call.kind !== "applied") throw new Error(call.kind);
      await call.settled;
      expect({ id, served: await isServed("target") }).toEqual({ id, served: false });
      expect({ id, contents: await contents() }).toEqual({ id, contents: before });
    }
    expect(await isServed("victim")).toBe(true);
    invalidator.stop();
  });

  test("a megabyte is refused before it reaches Valkey; a wide event from a topic that is not wide applies nothing", async () => {
    const subscriptions = createSubscriptions([{ topic: "cms.documents", format: "json", wide: false }]);
    const decode = (event: object) => subscriptions.decode(sourceRecord({ value: Buffer.from(JSON.stringify(event)) }));
    expect(decode({ id: "x".repeat(2 ** 20) })).toMatchObject({ kind: "failure", reason: "invalid-id", changes: [] });
    for (const event of [{ all: true }, { namespace: "docs" }, { namespace: "docs", all: true }]) {
      expect(decode(event)).toMatchObject({ kind: "failure", reason: "not-wide", changes: [] });
    }
    expect(decode({ id: "article:1", all: true })).toMatchObject({
      reason: "not-wide",
      changes: [{ kind: "document", id: "article:1" }],
    });
  });
});
