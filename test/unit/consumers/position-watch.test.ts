import { expect, test } from "@jest/globals";
import type { PartitionOffset } from "../../../consumers/change-source.ts";
import { silentLog } from "../../../consumers/log.ts";
import { PartitionRun } from "../../../consumers/partition-run.ts";
import { StallDetector, watchPositions } from "../../../consumers/position-watch.ts";
import { defaultTuning } from "../../../consumers/tuning.ts";
import { until } from "../../support/latch.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { RecordingHandlers } from "../../support/recording-handlers.ts";

const partition = { topic: "t", partition: 0 };

test("a stall is a position that stands below the end of its log", () => {
  const detector = new StallDetector(2);
  const observe = (position: bigint, end: bigint): boolean => detector.observe(partition, position, end);
  expect([observe(5n, 9n), observe(5n, 9n), observe(5n, 9n)]).toEqual([false, false, true]);
  expect([observe(6n, 9n), observe(6n, 9n), observe(9n, 9n), observe(9n, 9n), observe(9n, 9n)]).not.toContain(true);
});

async function watch(isEmptyAt: (target: PartitionOffset) => Promise<boolean>, end = 20n) {
  const clock = new ManualClock();
  const handlers = new RecordingHandlers();
  const resumed: bigint[] = [];
  const run = new PartitionRun({
    partition,
    feed: { pause: () => {}, resume: (offset) => resumed.push(offset) },
    handlers,
    decode: () => ({ kind: "changes", changes: [] }),
    deadLetters: { publish: async () => {} },
    tuning: defaultTuning,
    clock,
    random: () => 0.5,
    log: silentLog,
    onSettled: () => {},
  });
  run.begin(10n);
  const stop = new AbortController();
  const admin = { bounds: async () => [{ partition: 0, low: 0n, end }] };
  const signal = stop.signal;
  const watching = watchPositions({
    runs: () => [run],
    admin,
    isEmptyAt,
    handlers,
    pollMs: 5,
    clock,
    log: silentLog,
    signal,
  });
  const polls = async (count: number): Promise<void> => {
    for (let poll = 0; poll < count; poll += 1) {
      await until(() => clock.sleeping === 1);
      clock.advance(5);
    }
    await until(() => clock.sleeping === 1);
  };
  const close = async (): Promise<void> => {
    stop.abort();
    await watching;
    expect(clock.sleeping).toBe(0);
  };
  return { run, handlers, polls, close, resumed };
}

test("a batch that compaction emptied is walked over, one proven offset at a time", async () => {
  const asked: bigint[] = [];
  const { run, handlers, polls, close, resumed } = await watch(async ({ offset }) => {
    asked.push(offset);
    return offset < 14n;
  });
  await polls(4);
  expect(handlers.noticesOf("stalled")).toEqual([{ kind: "stalled", partition, offset: 10n }]);
  expect(asked).toEqual([10n, 11n, 12n, 13n, 14n]);
  expect(run.position).toBe(14n);
  expect(resumed).toEqual([10n, 14n]);
  // Nothing of it was committed: the next slice does that.
  expect(run.committable).toBeUndefined();
  await close();
});

test("without proof it only tells", async () => {
  const { run, handlers, polls, close } = await watch(async () => false);
  await polls(4);
  expect(handlers.noticesOf("stalled")).toHaveLength(1);
  expect(run.position).toBe(10n);
  await close();
});

test("at the end of the log nothing is asked", async () => {
  const { handlers, polls, close } = await watch(() => Promise.reject(new Error("must not be asked")), 10n);
  await polls(6);
  expect(handlers.notices).toEqual([]);
  await close();
});
