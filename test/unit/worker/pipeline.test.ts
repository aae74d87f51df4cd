import { describe, expect, test } from "@jest/globals";
import { cacheError } from "@unstale/cache-core";
import { latch, settle as turns } from "../../support/latch.ts";
import { appliedIn, createScene, documents, entry, place, type Scene, slice } from "./scene.ts";

const unavailable = (): Promise<never> => Promise.reject(cacheError("UNSTALE_VALKEY_UNAVAILABLE", "no answer"));

async function attached(offset = 0): Promise<Scene> {
  const scene = createScene();
  await scene.memory.attach({ bucket: 0, ...place, offset });
  scene.positions.begin(place, offset);
  return scene;
}

describe("a slice that is applied", () => {
  test("makes unservable what was built from its documents, and moves the position", async () => {
    const scene = await attached();
    const answer = await entry(scene.memory, { query: "q", sources: ["article:1"] });
    const other = await entry(scene.memory, { query: "other", sources: ["article:2"] });
    scene.clock.advance(70);
    const occurredAt = scene.clock.now() - 40;
    const outcome = await scene.pipeline.onSlice(slice({ first: 0, changes: documents("article:1"), occurredAt }));
    expect(outcome.kind).toBe("applied");
    expect(await answer.isServed()).toBe(false);
    expect(await other.isServed()).toBe(true);
    expect(scene.positions.get(place)?.offset).toBe(1);
    expect(await appliedIn(scene.memory)).toBe(1);
    expect(scene.metrics.total("eventToUnservable", { topic: "t" })).toBe(40);
    expect(scene.metrics.total("documents")).toBe(1);
    if (outcome.kind === "applied") await outcome.settled;
    expect(scene.metrics.total("entriesDeleted")).toBe(1);
  });

  test("without changes still moves the position", async () => {
    const scene = await attached();
    await scene.pipeline.onSlice(slice({ first: 0, next: 4 }));
    expect(await appliedIn(scene.memory)).toBe(4);
  });

  test("is settled only when its drains are", async () => {
    const scene = await attached();
    const entries = Array.from({ length: 300 }, (_, index) => `query ${index}`);
    for (const query of entries) await entry(scene.memory, { query, sources: ["list"] });
    const drained = latch();
    scene.store.intercept("drain", async (proceed) => {
      await drained.opened;
      return proceed();
    });
    const outcome = await scene.pipeline.onSlice(slice({ first: 0, changes: documents("list") }));
    let isSettled = false;
    const settled = outcome.kind === "applied" ? outcome.settled.then(() => (isSettled = true)) : undefined;
    await turns();
    expect(isSettled).toBe(false);
    drained.open();
    await settled;
    expect(scene.metrics.total("entriesDeleted", { phase: "drain" })).toBe(300);
  });

  test("is not settled when its drains cannot be finished", async () => {
    const scene = await attached();
    for (let index = 0; index < 300; index += 1) await entry(scene.memory, { query: `q${index}`, sources: ["list"] });
    scene.store.intercept("drain", unavailable);
    const outcome = await scene.pipeline.onSlice(slice({ first: 0, changes: documents("list") }));
    await expect(outcome.kind === "applied" ? outcome.settled : undefined).rejects.toThrow("no answer");
  });
});

describe("a slice that cannot be applied", () => {
  test("waits longer each time, and as long as at first after a success", async () => {
    const scene = await attached();
    scene.store.intercept("invalidate", unavailable);
    const delays: number[] = [];
    for (let attempt = 0; attempt < 7; attempt += 1) {
      const outcome = await scene.pipeline.onSlice(slice({ first: 0, changes: documents("a") }));
      if (outcome.kind === "retry") delays.push(outcome.afterMs);
    }
    expect(delays).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    scene.store.restore();
    expect((await scene.pipeline.onSlice(slice({ first: 0, changes: documents("a") }))).kind).toBe("applied");
    scene.store.intercept("invalidate", unavailable);
    expect(await scene.pipeline.onSlice(slice({ first: 1 }))).toMatchObject({ kind: "retry", afterMs: 200 });
    expect(scene.positions.get(place)?.offset).toBe(1);
  });

  test("is never dropped for an error that nobody expected", async () => {
    const scene = await attached();
    scene.store.intercept("invalidate", () => Promise.reject(new TypeError("a bug")));
    expect(await scene.pipeline.onSlice(slice({ first: 0 }))).toMatchObject({ kind: "retry", reason: "a bug" });
  });

  test("is not tried where the partition is not ours, or the slice is not wanted", async () => {
    const scene = await attached();
    const aborted = AbortSignal.abort(new Error("sought elsewhere"));
    expect((await scene.pipeline.onSlice(slice({ first: 0, signal: aborted }))).kind).toBe("retry");
    scene.positions.forget(place);
    expect((await scene.pipeline.onSlice(slice({ first: 0 }))).kind).toBe("retry");
    expect(scene.store.count("invalidate")).toBe(0);
  });
});

describe("I5: Valkey fell back", () => {
  test("behind the slice: the source is sent back to what Valkey knows", async () => {
    const scene = await attached(4);
    scene.positions.begin(place, 9);
    expect(await scene.pipeline.onSlice(slice({ first: 9 }))).toEqual({ kind: "rewind", offset: 4n });
    expect(scene.positions.get(place)?.offset).toBe(4);
    expect(await appliedIn(scene.memory)).toBe(4);
    expect(scene.metrics.total("rollbacks")).toBe(1);
  });

  test("into a slice that is delivered again: it is simply applied", async () => {
    const scene = await attached(4);
    scene.positions.begin(place, 9);
    expect((await scene.pipeline.onSlice(slice({ first: 3, next: 9 }))).kind).toBe("applied");
    expect(await appliedIn(scene.memory)).toBe(9);
  });

  test("while the heartbeat was faster: the forgotten slice is not applied, or offsets before it would be skipped", async () => {
    const scene = await attached(4);
    scene.positions.begin(place, 9);
    scene.store.intercept("invalidate", (proceed) => {
      scene.positions.begin(place, 4);
      return proceed();
    });
    expect((await scene.pipeline.onSlice(slice({ first: 9 }))).kind).toBe("retry");
    expect(await appliedIn(scene.memory)).toBe(4);
    expect(scene.metrics.total("rollbacks")).toBe(0);
  });

  test("a reply of before a seek moves no position of after it", async () => {
    const scene = await attached();
    const answer = latch();
    scene.store.intercept("invalidate", async (proceed) => {
      const reply = await proceed();
      await answer.opened;
      return reply;
    });
    const outcome = scene.pipeline.onSlice(slice({ first: 0, next: 8 }));
    await turns();
    scene.positions.begin(place, 2);
    answer.open();
    await outcome;
    expect(scene.positions.get(place)?.offset).toBe(2);
  });

  test("H7: a partition that Valkey forgot makes everything unservable", async () => {
    const scene = createScene();
    scene.positions.begin(place, 7);
    const answer = await entry(scene.memory, { query: "q", sources: ["unrelated"] });
    expect((await scene.pipeline.onSlice(slice({ first: 7 }))).kind).toBe("applied");
    expect(await answer.isServed()).toBe(false);
    expect(scene.metrics.total("barriers", { reason: "lost" })).toBe(1);
  });
});

test("quiet waits for the call that is under way", async () => {
  const scene = await attached();
  const held = latch();
  scene.store.intercept("invalidate", async (proceed) => {
    await held.opened;
    return proceed();
  });
  const outcome = scene.pipeline.onSlice(slice({ first: 0 }));
  let isQuiet = false;
  const quiet = scene.pipeline.quiet(place).then(() => (isQuiet = true));
  await turns();
  expect(isQuiet).toBe(false);
  held.open();
  await Promise.all([outcome, quiet]);
  await scene.pipeline.quiet({ topic: "another", partition: 1 });
});
