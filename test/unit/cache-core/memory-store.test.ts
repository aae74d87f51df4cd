import { describe, expect, test } from "@jest/globals";
import { createMemoryStore } from "@unstale/cache-core";

describe("a memory store without any option", () => {
  test("serves what was committed until its source changes", async () => {
    const store = createMemoryStore();
    const place = { bucket: 0, query: "how much?" };
    const opened = await store.open(place);
    if (opened.kind !== "open") throw new Error(opened.kind);
    const entry = { ...place, response: "9.99", sources: ["article:42"], ttlMs: 60_000, lease: opened.snapshot };
    expect(await store.commit(entry)).toEqual({ kind: "written" });

    const { versions } = opened.snapshot;
    expect(await store.read({ ...place, versions })).toEqual({
      kind: "hit",
      response: "9.99",
      sources: ["article:42"],
    });
    await store.invalidate({ bucket: 0, documents: [{ id: "article:42" }], scopes: [] });
    expect(await store.read({ ...place, versions })).toMatchObject({ kind: "miss" });
    expect(await store.commit(entry)).toMatchObject({ kind: "refused", reason: "changed", document: "article:42" });
  });

  test("says that it is one", async () => {
    const store = createMemoryStore();
    expect(await store.serverInfo()).toMatchObject({ product: "memory", role: "master" });
    expect(await store.awaitReplicas({ replicas: 2, timeoutMs: 1 })).toBe(2);
  });
});
