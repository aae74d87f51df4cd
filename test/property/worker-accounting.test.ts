import { expect, test } from "@jest/globals";
import { cacheError } from "@unstale/cache-core";
import fc from "fast-check";
import type { Decoded, SourceRecord } from "../../consumers/change-event.ts";
import { silentLog } from "../../consumers/log.ts";
import { PartitionRun } from "../../consumers/partition-run.ts";
import type { FailedRecord } from "../../consumers/slices.ts";
import { defaultTuning } from "../../consumers/tuning.ts";
import { createNotices } from "../../worker/notices.ts";
import { settle } from "../support/latch.ts";
import { sourceRecord } from "../support/source-records.ts";
import { createScene, place, silent } from "../unit/worker/scene.ts";

const trouble = fc.constantFrom("none", "none", "store", "letters", "drains", "seek");

/**
 * A log with records that can be read and some that cannot, a store and a dead-letter topic that fail now and then, and the
 * real way between them. Whatever goes wrong, each record that was read to its end has one outcome.
 */
test("each record ends in one counted outcome, whatever is repeated on the way", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 24 }),
      fc.array(trouble, { maxLength: 16 }),
      async (readable, troubles) => {
        const world = createWorld(readable, troubles);
        await world.finish();
        const { counted, delivered, letters } = world;
        const total = counted("applied") + counted("duplicate") + counted("dead-lettered");
        // What was read to its end: applied slices without those of their records that are letters, and the letters.
        expect(total).toBe(delivered() + letters());
        // The first time that a record is applied it is no duplicate, and every time after that it is one.
        expect(counted("applied")).toBe(readable.filter(Boolean).length);
        expect(counted("dead-lettered")).toBeGreaterThanOrEqual(readable.filter((can) => !can).length);
      },
    ),
    { numRuns: 200 },
  );
}, 60_000);

function createWorld(readable: readonly boolean[], troubles: readonly string[]) {
  const left = [...troubles];
  const scene = createScene();
  let delivered = 0;
  let letters = 0;
  let isPaused = true;
  const next = (kinds: readonly string[]): string | undefined =>
    kinds.includes(left[0] ?? "") ? left.shift() : "none";
  scene.store.intercept("invalidate", (proceed) =>
    next(["store", "none"]) === "store" ? Promise.reject(cacheError("UNSTALE_VALKEY_UNAVAILABLE", "down")) : proceed(),
  );
  const notices = createNotices({
    lifecycle: { met: () => undefined, unmet: () => undefined, happen: () => undefined },
    metrics: scene.metrics,
    log: silent,
    onFailed: () => undefined,
  });
  const run = new PartitionRun({
    partition: place,
    feed: {
      pause: () => {
        isPaused = true;
      },
      resume: () => {
        isPaused = false;
      },
    },
    handlers: {
      onAssigned: async () => [],
      onRevoked: () => undefined,
      onGap: async () => undefined,
      onNotice: (notice) => notices.onNotice(notice),
      onSlice: async (slice) => {
        const outcome = await scene.pipeline.onSlice(slice);
        if (outcome.kind !== "applied") return outcome;
        delivered += slice.readable.length;
        const settled = next(["drains", "none"]) === "drains" ? Promise.reject(new Error("undone")) : outcome.settled;
        return { kind: "applied", settled };
      },
    },
    decode: (record) => decode(record, readable),
    deadLetters: {
      publish: async (failures: readonly FailedRecord[]) => {
        if (next(["letters", "none"]) === "letters") throw new Error("no dead letters now");
        letters += failures.length;
      },
    },
    tuning: { ...defaultTuning, maxSliceRecords: 3, maxSliceChanges: 3 },
    clock: scene.clock,
    random: () => 0.5,
    log: silentLog,
    onSettled: () => undefined,
  });
  scene.positions.begin(place, 0);
  run.begin(0n);

  const end = BigInt(readable.length);
  const feed = (): void => {
    if (isPaused || run.position >= end) return;
    const from = Number(run.position);
    const batch = {
      size: readable.length - from,
      record: (index: number) => sourceRecord({ ...place, offset: BigInt(from + index) }),
      next: end,
      end,
    };
    void run.deliver({ batch, goOn: () => !isPaused, onTaken: () => undefined });
  };
  return {
    counted: (outcome: string) => scene.metrics.total("records", { outcome }),
    delivered: () => delivered,
    letters: () => letters,
    finish: async () => {
      for (let round = 0; round < 400; round += 1) {
        feed();
        await settle(2);
        if (next(["seek"]) === "seek") run.seek(run.position / 2n);
        scene.clock.advance(20_000);
        if (run.position >= end && run.committable === end) return;
      }
      throw new Error(`not at its end: ${run.position} of ${end}, ${run.state}, ${left}`);
    },
  };
}

function decode({ offset }: SourceRecord, readable: readonly boolean[]): Decoded {
  if (readable[Number(offset)]) return { kind: "changes", changes: [{ kind: "document", id: `d${offset}` }] };
  return { kind: "failure", reason: "not-json", detail: "", changes: [] };
}
