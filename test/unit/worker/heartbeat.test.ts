import { describe, expect, jest, test } from "@jest/globals";
import { cacheError, type Drain, type HeartbeatReply } from "@unstale/cache-core";
import { createHeartbeat, type Heartbeat } from "../../../worker/heartbeat.ts";
import { appliedIn, createScene, documents, entry, place, type Scene, slice } from "./scene.ts";

function withHeartbeat(scene: Scene = createScene()) {
  const seek = jest.fn();
  const renew = jest.fn(async () => undefined);
  const onReplaced = jest.fn();
  const met = jest.fn();
  const unmet = jest.fn();
  const heartbeat: Heartbeat = createHeartbeat({
    ...scene,
    seek,
    renew,
    onReplaced,
    lifecycle: { met, unmet },
    leftoverAfterMs: 5_000,
  });
  return { ...scene, heartbeat, seek, renew, onReplaced, met, unmet };
}

describe("a heartbeat", () => {
  test("says that Valkey answers, and how far back changes are remembered", async () => {
    const scene = withHeartbeat();
    await scene.heartbeat.beat();
    scene.clock.advance(3_000);
    await scene.heartbeat.beat();
    expect(scene.met).toHaveBeenLastCalledWith("valkey", "answers");
    expect(scene.heartbeat.standing).toEqual([{ bucket: 0, fences: 0, floorAgeMs: 3_000 }]);
  });

  test("says why Valkey does not answer, and never rejects", async () => {
    const scene = withHeartbeat();
    scene.store.fail(cacheError("UNSTALE_VALKEY_UNAVAILABLE", "connection refused"));
    await scene.heartbeat.beat();
    expect(scene.unmet).toHaveBeenCalledWith("valkey", "connection refused");
    expect(scene.metrics.total("heartbeatFailures")).toBe(1);
    scene.store.restore();
    scene.store.intercept("heartbeat", () => ({ kind: "format" }));
    await scene.heartbeat.beat();
    expect(scene.unmet).toHaveBeenLastCalledWith("valkey", expect.stringContaining("newer version"));
  });

  test("of several buckets says which does not answer, and repairs the others meanwhile", async () => {
    const scene = withHeartbeat(createScene({ buckets: 3 }));
    for (const bucket of [0, 1, 2]) await scene.memory.attach({ bucket, ...place, offset: bucket === 0 ? 4 : 9 });
    scene.positions.begin(place, 9);
    scene.store.intercept("heartbeat", async (proceed, { bucket }) => {
      if (bucket > 0) throw cacheError("UNSTALE_VALKEY_UNAVAILABLE", "connection refused");
      return proceed();
    });
    await scene.heartbeat.beat();
    expect(scene.unmet).toHaveBeenCalledWith("valkey", "Bucket 1: connection refused (and 1 more bucket)");
    expect(scene.heartbeat.standing).toEqual([expect.objectContaining({ bucket: 0 })]);
    expect(scene.seek).toHaveBeenCalledWith({ ...place, offset: 4n });
  });

  test("I5: notices a rollback without any event, and sends the source back once", async () => {
    const scene = withHeartbeat();
    await scene.memory.attach({ bucket: 0, ...place, offset: 4 });
    scene.positions.begin(place, 9);
    await scene.heartbeat.beat();
    await scene.heartbeat.beat();
    expect(scene.seek.mock.calls).toEqual([[{ ...place, offset: 4n }]]);
    expect(scene.positions.get(place)?.offset).toBe(4);
    expect(scene.metrics.total("rollbacks")).toBe(1);
  });

  test("is not alarmed by what is applied while it asks", async () => {
    const scene = withHeartbeat();
    await scene.memory.attach({ bucket: 0, ...place, offset: 0 });
    scene.positions.begin(place, 0);
    scene.store.intercept("heartbeat", async (proceed) => {
      const reply = await proceed();
      await scene.pipeline.onSlice(slice({ first: 0, changes: documents("a", "b") }));
      return reply;
    });
    await scene.heartbeat.beat();
    expect(scene.seek).not.toHaveBeenCalled();
    expect(scene.positions.get(place)?.offset).toBe(2);
  });

  test("leaves a partition alone that was given a new start meanwhile", async () => {
    const scene = withHeartbeat();
    await scene.memory.attach({ bucket: 0, ...place, offset: 4 });
    scene.positions.begin(place, 9);
    scene.store.intercept("heartbeat", async (proceed) => {
      const reply = await proceed();
      scene.positions.begin(place, 4);
      return reply;
    });
    await scene.heartbeat.beat();
    expect(scene.seek).not.toHaveBeenCalled();
  });

  test("H7: answers a forgotten partition with a barrier, again and again until it succeeded", async () => {
    const scene = withHeartbeat();
    scene.positions.begin(place, 7);
    const answer = await entry(scene.memory, { query: "q", sources: ["unrelated"] });
    scene.store.intercept("invalidate", () => Promise.reject(cacheError("UNSTALE_VALKEY_UNAVAILABLE", "down")));
    await scene.heartbeat.beat();
    await scene.heartbeat.idle();
    expect(await answer.isServed()).toBe(true);
    scene.store.restore();
    await scene.heartbeat.beat();
    await scene.heartbeat.idle();
    expect(await answer.isServed()).toBe(false);
    expect(await appliedIn(scene.memory)).toBe(7);
    await scene.heartbeat.beat();
    await scene.heartbeat.idle();
    expect(scene.metrics.total("barriers", { reason: "lost" })).toBe(1);
  });

  test("tells when state was lost, so that the deployment record is written again", async () => {
    const scene = withHeartbeat();
    await scene.heartbeat.beat();
    expect(scene.renew).toHaveBeenCalledTimes(1);
    await scene.heartbeat.beat();
    expect(scene.renew).toHaveBeenCalledTimes(1);
  });

  test("notices a loss that a producer met first, and tries again while the record cannot be written", async () => {
    const scene = withHeartbeat();
    await scene.memory.open({ bucket: 0 });
    await scene.heartbeat.beat();
    expect(scene.renew).not.toHaveBeenCalled();
    scene.store.intercept("heartbeat", async (proceed) => ({ ...(await proceed()), birth: 7 }) as HeartbeatReply);
    scene.renew.mockRejectedValueOnce(cacheError("UNSTALE_VALKEY_UNAVAILABLE", "gone again"));
    await scene.heartbeat.beat();
    await scene.heartbeat.beat();
    await scene.heartbeat.beat();
    expect(scene.renew).toHaveBeenCalledTimes(2);
    expect(scene.onReplaced).not.toHaveBeenCalled();
  });

  test("says so when Valkey became another deployment's", async () => {
    const scene = withHeartbeat();
    const error = cacheError("UNSTALE_CONFIG_MISMATCH", "others");
    scene.renew.mockRejectedValueOnce(error);
    await scene.heartbeat.beat();
    expect(scene.onReplaced).toHaveBeenCalledWith(error);
  });
});

describe("drains that somebody else left", () => {
  const drain: Drain = { bucket: 0, document: "list", token: "1.1:1:1" };

  test("are finished when they are still there after a while, each by one run", async () => {
    const finished: (readonly Drain[])[] = [];
    const invalidator = {
      invalidate: () => Promise.reject(new Error("not asked for")),
      finish: async (drains: readonly Drain[]) => finished.push(drains),
      draining: 0,
      stop: () => undefined,
    };
    const scene = withHeartbeat(createScene({ invalidator }));
    let drains: readonly Drain[] = [drain];
    scene.store.intercept("heartbeat", async (proceed) => {
      const reply = await proceed();
      return reply.kind === "alive" ? { ...reply, drains } : reply;
    });
    await scene.heartbeat.beat();
    scene.clock.advance(4_999);
    await scene.heartbeat.beat();
    expect(finished).toEqual([]);
    scene.clock.advance(1);
    await scene.heartbeat.beat();
    await scene.heartbeat.idle();
    expect(finished).toEqual([[drain]]);
    // Gone and there again: a new one, which its owner may be at.
    drains = [];
    await scene.heartbeat.beat();
    drains = [drain];
    await scene.heartbeat.beat();
    await scene.heartbeat.idle();
    expect(finished).toHaveLength(1);
  });
});
