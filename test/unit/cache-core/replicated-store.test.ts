import { describe, expect, test } from "@jest/globals";
import { createMemoryStore, requireReplicas, SmartCache } from "@unstale/cache-core";
import { latch, settle } from "../../support/latch.ts";
import { scriptedStore } from "../../support/scripted-store.ts";

const request = { bucket: 0, documents: [{ id: "a" }], scopes: [] };

function withReplicas(replicas = 1) {
  const store = scriptedStore(createMemoryStore());
  return { store, strict: requireReplicas(store, { replicas, timeoutMs: 1_000 }) };
}

describe("a store that requires replicas", () => {
  test("answers an invalidation when they have it, and not before", async () => {
    const { store, strict } = withReplicas();
    const reached = latch<number>();
    store.intercept("awaitReplicas", () => reached.opened);
    let done = false;
    const call = strict.invalidate(request).then((reply) => {
      done = true;
      return reply;
    });
    await settle();
    expect([store.calls, done]).toEqual([["invalidate", "awaitReplicas"], false]);
    reached.open(1);
    expect(await call).toMatchObject({ kind: "applied" });
  });

  test("refuses what too few have: it may be repeated", async () => {
    const { store, strict } = withReplicas(2);
    store.intercept("awaitReplicas", () => 1);
    await expect(strict.invalidate(request)).rejects.toMatchObject({
      code: "UNSTALE_NOT_REPLICATED",
      retryable: true,
      message: expect.stringMatching(/^Expected 2 replicas of Valkey .* within 1000 ms; 1 did\./),
    });
    store.restore();
    expect(await strict.invalidate(request)).toMatchObject({ kind: "applied" });
  });

  test("lets calls that come while one waits share the next wait, never the one before", async () => {
    const { store, strict } = withReplicas();
    const waits = [latch<number>(), latch<number>()];
    let asked = 0;
    store.intercept("awaitReplicas", () => {
      asked += 1;
      return waits[asked - 1]?.opened ?? 1;
    });
    const first = strict.invalidate(request);
    await settle();
    const others = [strict.invalidate(request), strict.invalidate(request)];
    await settle();
    expect(asked).toBe(1);
    waits[0]?.open(1);
    await first;
    await settle();
    expect(asked).toBe(2);
    waits[1]?.open(0);
    for (const other of others) await expect(other).rejects.toMatchObject({ code: "UNSTALE_NOT_REPLICATED" });
  });

  test("asks nothing of replicas for a rollback, which did nothing", async () => {
    const { store, strict } = withReplicas();
    const position = { topic: "t", partition: 0, previous: 0, next: 1 };
    await strict.invalidate({ ...request, position });
    const before = store.count("awaitReplicas");
    const late = { ...position, previous: 9, next: 10 };
    expect(await strict.invalidate({ ...request, position: late })).toMatchObject({ kind: "rollback" });
    expect(store.count("awaitReplicas")).toBe(before);
  });

  test("is what SmartCache invalidates with, where replicaAcks is set; what it reads does not wait", async () => {
    const store = scriptedStore(createMemoryStore());
    const cache = new SmartCache({ store, replicaAcks: 1, onWarning: () => undefined });
    store.intercept("awaitReplicas", () => 0);
    await expect(cache.invalidateSource("a")).rejects.toMatchObject({ code: "UNSTALE_NOT_REPLICATED" });
    expect(await cache.get("q")).toMatchObject({ hit: false });
    store.restore();
    expect(await cache.invalidateSource("a")).toMatchObject({ documents: 1 });
    await cache.close();
  });
});
