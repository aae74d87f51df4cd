import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { silentLog } from "../../consumers/log.ts";
import { PartitionRun } from "../../consumers/partition-run.ts";
import { defaultTuning } from "../../consumers/tuning.ts";
import { type Latch, latch, settle } from "../support/latch.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { RecordingHandlers } from "../support/recording-handlers.ts";
import { sourceRecord } from "../support/source-records.ts";

type Step =
  | { readonly do: "append"; readonly count: number }
  | { readonly do: "settle" | "spoil"; readonly which: number }
  | { readonly do: "seek"; readonly offset: number }
  | { readonly do: "time" }
  | { readonly do: "gap" };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("append" as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("settle" as const, "spoil" as const), which: fc.nat(8) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("seek" as const), offset: fc.nat(12) }) },
  { weight: 4, arbitrary: fc.constant({ do: "time" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "gap" as const }) },
);
const outcome = fc.constantFrom("applied", "applied", "applied", "retry", "throw", "rewind", "hang");

/**
 * A log, a run that delivers it, and handlers that do anything they like. Whatever the order of things: an offset that
 * can be committed was settled in every part below it since the last time it was delivered.
 */
test("nothing can be committed that has not settled, and in the end everything is delivered and settled", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.array(outcome, { maxLength: 20 }),
      async (steps, outcomes) => {
        const world = new World(outcomes);
        for (const one of steps) {
          await world.take(one);
          world.check();
        }
        await world.finish();
        world.end();
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);

class World {
  readonly #clock = new ManualClock();
  readonly #outcomes: string[];
  readonly #open: { readonly first: bigint; readonly next: bigint; readonly door: Latch }[] = [];
  /** Offsets whose latest slice settled; skipped or lost ones count as done. */
  readonly #done = new Set<bigint>();
  readonly #run: PartitionRun;
  #end = 0n;
  #paused = true;
  #feeding: Promise<void> | undefined;

  constructor(outcomes: readonly string[]) {
    this.#outcomes = [...outcomes];
    const handlers = new RecordingHandlers({
      onSlice: (slice) => {
        const what = this.#outcomes.shift() ?? "applied";
        if (what === "throw") throw new Error("a bug");
        if (what === "retry") return { kind: "retry", afterMs: 10, reason: "down" };
        if (what === "rewind") return { kind: "rewind", offset: slice.first / 2n };
        if (what === "hang") return new Promise(() => {});
        const door = latch();
        this.#open.push({ first: slice.first, next: slice.next, door });
        return { kind: "applied", settled: door.opened };
      },
    });
    this.#run = new PartitionRun({
      partition: { topic: "t", partition: 0 },
      feed: {
        pause: () => {
          this.#paused = true;
        },
        resume: () => {
          this.#paused = false;
        },
      },
      handlers,
      decode: () => ({ kind: "changes", changes: [{ kind: "document", id: "a" }] }),
      deadLetters: { publish: async () => {} },
      tuning: { ...defaultTuning, maxSliceRecords: 2, maxUnsettledSlices: 4 },
      clock: this.#clock,
      random: () => 0.5,
      log: silentLog,
      onSettled: () => {},
    });
    this.#run.begin(0n);
  }

  async take(one: Step): Promise<void> {
    if (one.do === "append") this.#end += BigInt(one.count);
    if (one.do === "settle") this.#settle(one.which);
    if (one.do === "spoil")
      this.#open.splice(one.which % (this.#open.length || 1), 1)[0]?.door.fail(new Error("undone"));
    if (one.do === "seek") this.#seek(BigInt(one.offset));
    if (one.do === "gap") this.#gap();
    if (one.do === "time") this.#clock.advance(20_000);
    this.#feed();
    await settle(4);
  }

  check(): void {
    const { committable } = this.#run;
    if (committable === undefined) return;
    for (let offset = 0n; offset < committable; offset += 1n) expect(this.#done.has(offset)).toBe(true);
  }

  async finish(): Promise<void> {
    this.#outcomes.length = 0;
    for (let turn = 0; turn < 200 && this.#run.committable !== this.#end; turn += 1) {
      await this.take({ do: "time" });
      while (this.#open.length > 0) this.#settle(0);
      this.check();
      if (this.#end === 0n) return;
      if (this.#run.committable === undefined && this.#run.position === this.#end) return;
    }
    expect(this.#run.position).toBeGreaterThanOrEqual(this.#end);
  }

  end(): void {
    this.#run.end();
    expect(this.#run.committable).toBeUndefined();
    this.#clock.advance(100_000);
  }

  #settle(which: number): void {
    const slice = this.#open.splice(which % (this.#open.length || 1), 1)[0];
    if (slice === undefined) return;
    // The one that is forgotten settles too; its offsets are as done as they were when it was handed out.
    for (let offset = slice.first; offset < slice.next; offset += 1n) this.#done.add(offset);
    slice.door.open();
  }

  #seek(offset: bigint): void {
    if (offset <= this.#run.position) this.#run.seek(offset);
  }

  #gap(): void {
    const from = this.#run.position;
    if (this.#run.state !== "running" || from + 2n > this.#end) return;
    for (const lost of [from, from + 1n]) this.#done.add(lost);
    void this.#run.gap({ partition: this.#run.partition, from, to: from + 2n, cause: "retention" });
  }

  #feed(): void {
    if (this.#feeding !== undefined) return;
    this.#feeding = this.#pump().finally(() => {
      this.#feeding = undefined;
    });
  }

  async #pump(): Promise<void> {
    while (!this.#paused && !this.#run.closed && this.#run.position < this.#end) {
      const from = this.#run.position;
      const size = Number(this.#end - from);
      const record = (index: number) => sourceRecord({ offset: from + BigInt(index) });
      const batch = { size, record, next: this.#end, end: this.#end };
      await this.#run.deliver({ batch, goOn: () => true, onTaken: () => {} });
    }
  }
}
