import { describe, expect, test } from "@jest/globals";
import { cacheError, createMemoryStore } from "@unstale/cache-core";
import { pino } from "pino";
import { createFreshness } from "../../../worker/freshness.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { scriptedStore } from "../../support/scripted-store.ts";

const topic = "cms.documents";
const everyMs = 500;

/** A store, a log of two partitions, and workers that confirm. */
async function openScene(buckets = 1) {
  const clock = new ManualClock();
  const lines: unknown[] = [];
  const layout = { buckets };
  const memory = createMemoryStore({ clock, layout, ...(buckets > 1 ? { policy: { foreignWriters: false } } : {}) });
  const store = scriptedStore(memory);
  const ends = new Map([
    [0, 0n],
    [1, 0n],
  ]);
  let asked = 0;
  const askEnds = async () => {
    asked += 1;
    return [...ends].map(([partition, offset]) => ({ topic, partition, offset }));
  };
  let answer = askEnds;
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line).reason) });
  const worker = () => createFreshness({ store, buckets, ends: () => answer(), everyMs, clock, log });
  const freshness = worker();
  for (let bucket = 0; bucket < buckets; bucket += 1) await memory.open({ bucket });
  return {
    clock,
    store,
    memory,
    ends,
    lines,
    freshness,
    worker,
    asked: () => asked,
    answer: (next: typeof askEnds | undefined) => {
      answer = next ?? askEnds;
    },
    apply: async (partition: number, next: number, bucket = 0) => {
      const position = { topic, partition, previous: 0, next };
      await memory.invalidate({ bucket, documents: [], scopes: [], position });
    },
    round: async () => {
      clock.advance(everyMs);
      await freshness.round();
    },
    isFresh: async (maxStalenessMs = 1_000, bucket = 0) => {
      const opened = await memory.open({ bucket });
      const versions = opened.kind === "open" ? opened.snapshot.versions : [];
      const reply = await memory.read({ bucket, query: "q", versions, demands: { after: [], maxStalenessMs } });
      return reply.kind === "miss" && reply.unmet === undefined;
    },
  };
}

describe("the worker's confirmation", () => {
  test("is made from the second round on, and renewed by each one", async () => {
    const { round, isFresh, freshness, clock } = await openScene();
    await round();
    expect(await isFresh()).toBe(false);
    await round();
    expect(await isFresh()).toBe(true);
    expect(freshness.ages()).toEqual([{ bucket: 0, ms: 0 }]);
    clock.advance(300);
    expect(freshness.ages()).toEqual([{ bucket: 0, ms: 300 }]);
    for (let rounds = 0; rounds < 5; rounds += 1) await round();
    expect(await isFresh()).toBe(true);
  });

  test("ages when the worker is dead: reads miss", async () => {
    const { round, isFresh, clock } = await openScene();
    await round();
    await round();
    clock.advance(1_001);
    expect(await isFresh()).toBe(false);
  });

  test("is not made while a partition is behind, whoever owns it", async () => {
    const { round, isFresh, ends, apply, clock } = await openScene();
    await round();
    await apply(0, 4);
    ends.set(0, 4n).set(1, 1n);
    for (let rounds = 0; rounds < 4; rounds += 1) await round();
    expect(await isFresh(60_000)).toBe(false);
    await apply(1, 1);
    await round();
    // The first claim, which is two rounds old by now, and holds at last.
    expect(await isFresh(2_000)).toBe(true);
    expect(await isFresh(1_000)).toBe(true);
    clock.advance(1_001);
    expect(await isFresh(1_000)).toBe(false);
  });

  test("takes the moment before it asks for the ends: what came in between is not vouched for", async () => {
    const { round, isFresh, ends, apply, answer, clock } = await openScene();
    await round();
    answer(async () => {
      // A change is acknowledged, and Kafka takes its time to answer.
      clock.advance(900);
      return [...ends].map(([partition, offset]) => ({ topic, partition, offset }));
    });
    await apply(0, 1);
    ends.set(0, 1n);
    await round();
    clock.advance(101);
    expect(await isFresh(1_000)).toBe(false);
  });

  test("keeps a claim that does not hold yet: steady traffic cannot postpone it for ever", async () => {
    const { round, isFresh, ends, apply } = await openScene();
    await round();
    for (let next = 1; next < 9; next += 1) {
      // By each round what was there two rounds ago is applied, and as much came after it.
      await apply(0, Math.max(0, next - 2));
      ends.set(0, BigInt(next));
      await round();
    }
    expect(await isFresh(2_000)).toBe(true);
  });

  test.each([
    ["the source does not know", () => Promise.reject(new Error("no broker"))],
    ["the source says nothing at all", async () => []],
  ])("is not made where %s", async (_, answer) => {
    const scene = await openScene();
    await scene.round();
    await scene.round();
    scene.answer(answer);
    for (let rounds = 0; rounds < 4; rounds += 1) await scene.round();
    expect(await scene.isFresh()).toBe(false);
  });

  test("is not made on a log that ends before what was applied: that is another one", async () => {
    const { round, isFresh, ends, apply, lines, freshness } = await openScene();
    await apply(0, 9);
    ends.set(0, 9n);
    await round();
    await round();
    ends.set(0, 3n);
    for (let rounds = 0; rounds < 3; rounds += 1) await round();
    expect(await isFresh(1_400)).toBe(false);
    expect(lines).toEqual([`${topic}/0 ends before what was applied of it: it is another log`]);
    expect(freshness.ages()).toHaveLength(1);
  });

  test("gives a claim up that was made on a log which was recreated", async () => {
    const { round, isFresh, ends, memory } = await openScene();
    await round();
    ends.set(0, 100n);
    await round();
    ends.set(0, 2n);
    await memory.attach({ bucket: 0, topic, partition: 0, offset: 2 });
    await round();
    expect(await isFresh()).toBe(true);
  });

  test("counts a partition that was added a moment ago", async () => {
    const { round, isFresh, ends, apply, clock } = await openScene();
    await round();
    await round();
    ends.set(2, 1n);
    await round();
    await round();
    clock.advance(500);
    expect(await isFresh()).toBe(false);
    await apply(2, 1);
    await round();
    expect(await isFresh()).toBe(true);
  });

  test("is asked of Kafka by one of several workers only", async () => {
    const { round, worker, asked, clock } = await openScene();
    const others = [worker(), worker()];
    await round();
    for (const other of others) await other.round();
    const before = asked();
    for (let rounds = 0; rounds < 10; rounds += 1) {
      await round();
      for (const other of others) {
        clock.advance(1);
        await other.round();
      }
    }
    expect(asked() - before).toBe(10);
  });

  test("needs each bucket's own account", async () => {
    const { round, isFresh, ends, apply, freshness } = await openScene(4);
    await round();
    ends.set(0, 1n);
    for (const bucket of [0, 1, 3]) await apply(0, 1, bucket);
    await round();
    expect(await Promise.all([0, 1, 2, 3].map((bucket) => isFresh(1_000, bucket)))).toEqual([true, true, false, true]);
    expect(freshness.ages().map(({ bucket }) => bucket)).toEqual([0, 1, 3]);
    await apply(0, 1, 2);
    await round();
    expect(await isFresh(1_000, 2)).toBe(true);
  });

  test("never rejects, and says once why it cannot be had", async () => {
    const { round, store, lines, isFresh } = await openScene();
    store.intercept("confirm", () => Promise.reject(cacheError("UNSTALE_VALKEY_UNAVAILABLE", "away")));
    await round();
    await round();
    store.intercept("confirm", () => ({ kind: "lost" }));
    await round();
    store.restore();
    await round();
    await round();
    expect(lines).toEqual(["away", "the state in Valkey is lost or of a newer format"]);
    expect(await isFresh()).toBe(true);
  });
});
