import { expect, test } from "@jest/globals";
import type { PartitionOffset } from "../../../consumers/change-source.ts";
import { CommitLoop } from "../../../consumers/commit-loop.ts";
import { silentLog } from "../../../consumers/log.ts";
import { latch, settle, until } from "../../support/latch.ts";
import { ManualClock } from "../../support/manual-clock.ts";

function scene(commit: (offsets: readonly PartitionOffset[]) => Promise<void>) {
  const clock = new ManualClock();
  const run = {
    partition: { topic: "t", partition: 0 },
    committable: undefined as bigint | undefined,
    committed: (offset: bigint) => {
      if (run.committable === offset) run.committable = undefined;
    },
  };
  const told: bigint[] = [];
  const loop = new CommitLoop({
    runs: () => [run],
    commit,
    onCommitted: (offsets) => told.push(...offsets.map(({ offset }) => offset)),
    intervalMs: 100,
    retry: { baseMs: 50, maxMs: 50 },
    clock,
    random: () => 1,
    log: silentLog,
  });
  return { clock, run, told, loop };
}

test("commits at once when it is quiet, then at most once per interval", async () => {
  const { clock, run, told, loop } = scene(async () => {});
  run.committable = 1n;
  loop.touch();
  await until(() => told.length === 1);
  for (const offset of [2n, 3n]) {
    run.committable = offset;
    loop.touch();
    await settle();
  }
  expect(told).toEqual([1n]);
  clock.advance(100);
  await until(() => told.length === 2);
  expect(told).toEqual([1n, 3n]);
  clock.advance(100);
  await settle();
  expect(clock.sleeping).toBe(0);
});

test("one commit at a time, also beside a flush", async () => {
  const doors = [latch(), latch()];
  let begun = 0;
  const { run, told, loop } = scene(async () => {
    await doors[begun++]?.opened;
  });
  run.committable = 1n;
  const first = loop.flush();
  await settle();
  run.committable = 2n;
  const second = loop.flush();
  await settle();
  expect(begun).toBe(1);
  doors[0]?.open();
  await first;
  await until(() => begun === 2);
  doors[1]?.open();
  await second;
  expect(told).toEqual([1n, 2n]);
});

test("a failed commit is tried again, but not while the group moves on without us", async () => {
  const errors = [new Error("timeout"), Object.assign(new Error("rebalance"), { type: "REBALANCE_IN_PROGRESS" })];
  let attempts = 0;
  const { clock, run, told, loop } = scene(async () => {
    attempts += 1;
    const error = errors.shift();
    if (error !== undefined) throw error;
  });
  run.committable = 1n;
  loop.touch();
  await until(() => attempts === 1);
  clock.advance(50);
  await until(() => attempts === 2);
  clock.advance(1_000);
  await settle();
  expect(attempts).toBe(2);
  loop.touch();
  await until(() => told.length === 1);
  loop.stop();
  await settle();
  expect(clock.sleeping).toBe(0);
});
