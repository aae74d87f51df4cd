import { describe, expect, test } from "@jest/globals";
import type { AssignedPartition } from "../../../consumers/change-source.ts";
import { createGapPolicies } from "../../../worker/gap-policy.ts";
import { latch, until } from "../../support/latch.ts";
import { appliedIn, createScene, documents, entry, place, type Scene, slice } from "./scene.ts";

function assigned(given: { committed?: number; low?: number; end?: number }): AssignedPartition {
  const { committed, low = 0, end = 100 } = given;
  return {
    ...place,
    low: BigInt(low),
    end: BigInt(end),
    ...(committed === undefined ? {} : { committed: BigInt(committed) }),
  };
}

async function begin(scene: Scene, given: Parameters<typeof assigned>[0]): Promise<number> {
  const starts = await scene.assignment.onAssigned([assigned(given)]);
  expect(starts).toHaveLength(1);
  return Number(starts[0]?.offset);
}

async function isWiped(scene: Scene, work: () => Promise<unknown>): Promise<boolean> {
  const answer = await entry(scene.memory, { query: "unrelated", sources: ["unrelated"] });
  await work();
  return !(await answer.isServed());
}

describe("an assigned partition", () => {
  test("of a new group begins at the beginning, and Valkey knows it", async () => {
    const scene = createScene();
    expect(await isWiped(scene, async () => expect(await begin(scene, { low: 3 })).toBe(3))).toBe(false);
    expect(await appliedIn(scene.memory)).toBe(3);
    expect(scene.positions.get(place)?.offset).toBe(3);
  });

  test("goes on where it was committed, without a write", async () => {
    const scene = createScene();
    await scene.memory.attach({ bucket: 0, ...place, offset: 8 });
    expect(await begin(scene, { committed: 6 })).toBe(6);
    expect(scene.store.calls).toEqual(["heartbeat"]);
    // What was applied before is not applied less by a replay.
    await scene.pipeline.onSlice(slice({ first: 6, changes: documents("a") }));
    expect(await appliedIn(scene.memory)).toBe(8);
  });

  test("I5: is replayed from what Valkey knows", async () => {
    const scene = createScene();
    await scene.memory.attach({ bucket: 0, ...place, offset: 4 });
    expect(await isWiped(scene, async () => expect(await begin(scene, { committed: 6 })).toBe(4))).toBe(false);
    expect(scene.metrics.total("rollbacks")).toBe(1);
  });

  test.each([
    ["H7: Valkey does not know", undefined, { committed: 6 }, 6, "lost"],
    ["H8: was recreated", 40, { committed: 40, end: 5 }, 0, "recreated"],
    ["lost events to retention", 4, { committed: 4, low: 9 }, 9, "expired"],
    ["lost its committed offset", 40, {}, 0, "forgotten"],
  ] as const)("that %s becomes a barrier first and a position second", async (_, applied, given, start, reason) => {
    const scene = createScene();
    if (applied !== undefined) await scene.memory.attach({ bucket: 0, ...place, offset: applied });
    expect(await isWiped(scene, async () => expect(await begin(scene, given)).toBe(start))).toBe(true);
    expect(await appliedIn(scene.memory)).toBe(start);
    expect(scene.metrics.total("barriers", { reason })).toBe(1);
    const writes = scene.store.calls.filter((step) => step === "invalidate" || step === "attach" || step === "sweep");
    expect(writes.slice(0, 2)).toEqual(["invalidate", "sweep"]);
    expect(writes.slice(2, 4)).toEqual(["attach", "invalidate"]);
  });

  test("H22: stays paused until a replica knows its beginning", async () => {
    const scene = createScene();
    scene.store.intercept("serverInfo", async (proceed) => ({ ...(await proceed()), replicas: 2 }));
    scene.store.intercept("awaitReplicas", () => 0);
    await expect(begin(scene, {})).rejects.toMatchObject({ code: "UNSTALE_REPLICA_BEHIND", retryable: true });
    expect(scene.positions.get(place)).toBeUndefined();
    scene.store.intercept("awaitReplicas", () => 1);
    expect(await begin(scene, {})).toBe(0);
  });

  test("is refused where the keys are of a newer format", async () => {
    const scene = createScene();
    scene.store.intercept("heartbeat", () => ({ kind: "format" }));
    await expect(begin(scene, {})).rejects.toMatchObject({ code: "UNSTALE_FORMAT_TOO_NEW" });
  });

  test("that is revoked has no position any more", async () => {
    const scene = createScene();
    await begin(scene, {});
    scene.assignment.onRevoked([place]);
    expect(scene.positions.all()).toEqual([]);
  });
});

describe("a gap in the log", () => {
  test.each([
    ["retention", 20, 20],
    ["skipped", 20, 20],
    ["recreated", 0, 0],
    ["reset", 0, 0],
  ] as const)("by %s becomes a barrier, and the partition goes on behind it", async (cause, to, applied) => {
    const scene = createScene();
    await scene.memory.attach({ bucket: 0, ...place, offset: 10 });
    scene.positions.begin(place, 10);
    const gap = { partition: place, from: 10n, to: BigInt(to), cause };
    expect(await isWiped(scene, () => scene.assignment.onGap(gap))).toBe(true);
    expect(await appliedIn(scene.memory)).toBe(applied);
    expect(scene.positions.get(place)?.offset).toBe(to);
    expect(scene.metrics.total("gaps", { cause })).toBe(1);
    expect((await scene.pipeline.onSlice(slice({ first: to }))).kind).toBe("applied");
  });

  test("is answered only when the barrier stands", async () => {
    const scene = createScene();
    scene.positions.begin(place, 10);
    scene.store.intercept("invalidate", () => Promise.reject(new Error("down")));
    await expect(scene.assignment.onGap({ partition: place, from: 10n, to: 20n, cause: "retention" })).rejects.toThrow(
      "down",
    );
    expect(scene.positions.get(place)?.offset).toBe(10);
  });

  test("H21: waits for the scan where the plain schema is written, before the position says that it was answered", async () => {
    const scene = createScene();
    await scene.memory.attach({ bucket: 0, ...place, offset: 10 });
    scene.positions.begin(place, 10);
    const scanned = latch();
    scene.store.intercept("sweep", async (proceed) => {
      await scanned.opened;
      return proceed();
    });
    const answered = scene.assignment.onGap({ partition: place, from: 10n, to: 20n, cause: "retention" });
    await until(() => scene.store.count("sweep") > 0);
    expect(await appliedIn(scene.memory)).toBe(10);
    scanned.open();
    await answered;
    expect(await appliedIn(scene.memory)).toBe(20);
  });

  test("does not wait for the scan where nobody writes the plain schema", async () => {
    const scene = createScene({ foreignWriters: false });
    scene.positions.begin(place, 10);
    scene.store.intercept("sweep", () => new Promise(() => undefined));
    await scene.assignment.onGap({ partition: place, from: 10n, to: 20n, cause: "retention" });
    expect(await appliedIn(scene.memory)).toBe(20);
  });
});

describe("the gap policy of a topic", () => {
  const narrow = { feeds: ["docs:technical"] } as const;
  const gap = { partition: place, from: 10n, to: 20n, cause: "retention" } as const;

  /** Which of three answers were lost: of the fed namespace, of another one, of none. */
  async function lostBy(scene: Scene, work: () => Promise<unknown>): Promise<readonly (string | undefined)[]> {
    const namespaces = ["docs:technical", "faqs", undefined];
    const answers = await Promise.all(
      namespaces.map(async (namespace) => ({
        namespace,
        answer: await entry(scene.memory, { query: `q ${namespace}`, sources: ["unrelated"], namespace }),
      })),
    );
    await work();
    const judged = await Promise.all(answers.map(async (each) => ({ ...each, hit: await each.answer.isServed() })));
    return judged.filter(({ hit }) => !hit).map(({ namespace }) => namespace);
  }

  test("that names what it feeds: that is invalidated, and nothing else", async () => {
    const scene = createScene({ topic: narrow });
    await scene.memory.attach({ bucket: 0, ...place, offset: 10 });
    scene.positions.begin(place, 10);
    expect(await lostBy(scene, () => scene.assignment.onGap(gap))).toEqual(["docs:technical"]);
    expect(await appliedIn(scene.memory)).toBe(20);
    expect(scene.metrics.total("barriers", { reason: "gap-retention", reach: "namespaces" })).toBe(1);
    expect(scene.metrics.holes).toEqual([{ ...place, from: 10, to: 20 }]);
  });

  test("that only alerts: nothing is invalidated, it is counted, and the partition goes on", async () => {
    const scene = createScene({ topic: { onGap: "alert-only" } });
    await scene.memory.attach({ bucket: 0, ...place, offset: 10 });
    scene.positions.begin(place, 10);
    expect(await lostBy(scene, () => scene.assignment.onGap(gap))).toEqual([]);
    expect(await appliedIn(scene.memory)).toBe(20);
    expect(scene.metrics.total("barriers", { reach: "nothing" })).toBe(1);
    expect((await scene.pipeline.onSlice(slice({ first: 20, changes: documents("a") }))).kind).toBe("applied");
  });

  test.each([
    ["recreated", 40, { committed: 40, end: 5 }],
    ["expired", 4, { committed: 4, low: 9 }],
    ["forgotten", 40, {}],
  ] as const)("holds for what an assignment finds: %s", async (_, applied, given) => {
    const scene = createScene({ topic: narrow });
    await scene.memory.attach({ bucket: 0, ...place, offset: applied });
    expect(await lostBy(scene, () => begin(scene, given))).toEqual(["docs:technical"]);
    expect(await appliedIn(scene.memory)).toBe("low" in given ? given.low : 0);
  });

  test.each([narrow, { onGap: "alert-only" } as const])("%j is no excuse for what Valkey forgot", async (topic) => {
    const scene = createScene({ topic });
    expect(await lostBy(scene, () => begin(scene, { committed: 6 }))).toHaveLength(3);
  });

  test("of partitions that were assigned together is applied once", async () => {
    const scene = createScene({ topic: { ...narrow } });
    const places = [0, 1, 2].map((partition) => ({ ...place, partition, low: 9n, end: 100n, committed: 4n }));
    for (const each of places) await scene.memory.attach({ bucket: 0, ...each, offset: 4 });
    await scene.assignment.onAssigned(places);
    expect(scene.store.count("invalidate")).toBe(1 + places.length);
    expect(scene.metrics.holes).toHaveLength(3);
  });

  test("is refused at the start where it names what is no namespace", () => {
    const topic = { name: "t", format: "json", wide: false, onGap: "invalidate", feeds: ["docs:v42"] } as const;
    expect(() => createGapPolicies([topic])).toThrow(/topic t feeds "docs:v42": a level that looks like a version tag/);
  });
});
