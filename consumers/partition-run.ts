/**
 * One partition, from the moment that it is ours until it is not.
 *
 *   assigning  the handlers are asked where to begin; nothing is delivered
 *   running    batches are cut into slices, and delivered one after the other
 *   held       a slice could not be applied: paused, the same slice again after a backoff
 *   full       too many slices have not settled: paused until half of them have
 *   gap        events were lost: paused until the handlers answered
 *   frozen     no new slices (the source is stopping); those under way may settle and be committed
 *   ended      not ours any more; every signal is aborted, nothing is committed
 *
 * Ordering: batches queue up behind one another, a slice is begun only after the one before was applied, and only the
 * tracker says what may be committed. Whatever moves the position from outside (`seek`, `gap`, a rewind, `end`) raises the
 * epoch, and a slice that is applied in a later epoch than it was handed out in is not registered. Going back never
 * passes over what has not settled: slice A [0, 10) is draining, B says "rewind to 10": 0 is where we begin again, since
 * with A forgotten nothing else keeps 10 from being committed before A's deletions are done (I3).
 *
 * Failure: no error of a handler leaves this file. It becomes a hold, a pause of this partition alone.
 */
import { backoffMs } from "./backoff.ts";
import type { Gap, Partition, Slice, SliceOutcome } from "./change-source.ts";
import { consumerError, reasonOf } from "./errors.ts";
import { OffsetTracker } from "./offset-tracker.ts";
import type { Delivery, PartitionRunOptions } from "./partition-run-options.ts";
import { Pulse } from "./pulse.ts";
import { waitForRoom } from "./room.ts";
import { attemptSlice } from "./slice-attempt.ts";
import { type CutSlice, cutSlice, readableIn } from "./slices.ts";
import { collectTraces } from "./trace-context.ts";

export type RunState = "assigning" | "running" | "held" | "full" | "gap" | "frozen" | "ended";

export class PartitionRun {
  readonly partition: Partition;
  readonly #options: PartitionRunOptions;
  readonly #tracker = new OffsetTracker(0n);
  readonly #pulse = new Pulse();
  readonly #ended = new AbortController();
  /** Signals of slices that were handed out and have not settled. */
  readonly #slices = new Set<AbortController>();
  #state: RunState = "assigning";
  #epoch = 0;
  #attempt = 0;
  #deliveries = 0;
  #spoiled = 0;
  #turn: Promise<void> = Promise.resolve();
  #applying: AbortController | undefined;
  #wait: AbortController | undefined;
  #committed: bigint | undefined;
  #commitOpen = false;

  constructor(options: PartitionRunOptions) {
    this.#options = options;
    this.partition = options.partition;
  }

  get state(): RunState {
    return this.#state;
  }

  /** The offset that is delivered next. */
  get position(): bigint {
    return this.#tracker.position;
  }

  /** Aborted when the partition is not ours any more. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** No new slices: frozen or ended. */
  get closed(): boolean {
    return this.#state === "frozen" || this.#state === "ended";
  }

  /** What could be committed and is not. */
  get committable(): bigint | undefined {
    const open = this.#commitOpen && this.#state !== "ended";
    return open && this.#committed !== this.#tracker.watermark ? this.#tracker.watermark : undefined;
  }

  committed(offset: bigint): void {
    this.#committed = offset;
  }

  /** Ends the assignment. Where the group does not know that we begin there, it is told. */
  begin(offset: bigint, { isCommitted = true }: { readonly isCommitted?: boolean } = {}): void {
    if (this.#state !== "assigning") return;
    this.#tracker.reset(offset);
    this.#committed = isCommitted ? offset : undefined;
    this.#commitOpen = true;
    this.#run();
    if (!isCommitted) this.#options.onSettled();
  }

  /** Delivers what it can of a batch; resolves when that is used up or the partition has to wait. Never rejects. */
  deliver(delivery: Delivery): Promise<void> {
    this.#deliveries += 1;
    this.#turn = this.#turn
      .then(() => this.#deliver(delivery))
      .finally(() => {
        this.#deliveries -= 1;
        this.#pulse.beat();
      });
    return this.#turn;
  }

  /** Resolves when all batches so far are used up or given back. */
  caughtUp(): Promise<void> {
    return this.#turn;
  }

  /** See `ChangeSource.seek`. */
  seek(offset: bigint): void {
    if (this.#state === "assigning" || this.closed) return;
    this.#move(offset);
    if (this.#state !== "gap") this.#run();
  }

  /** Passes over offsets below `offset`, which are known to hold no record. */
  skipTo(offset: bigint): void {
    if (this.#state === "running" && this.#deliveries === 0) this.#tracker.skipTo(offset);
  }

  /** Pauses, lets the handlers answer the gap, and goes on behind it. Resolves then, or when the run closed. */
  async gap(gap: Gap): Promise<void> {
    if (this.#state === "assigning" || this.#state === "gap" || this.closed) return;
    this.#state = "gap";
    this.#options.feed.pause();
    this.#commitOpen = false;
    const from = this.position;
    if (gap.to > from) this.#interrupt();
    else this.#move(gap.to);
    const ticket = gap.to > from ? this.#tracker.begin(from, gap.to) : undefined;
    if (!(await this.answer(gap))) return;
    if (ticket !== undefined) this.#tracker.settle(ticket);
    this.#commitOpen = true;
    this.#committed = undefined;
    this.#run();
    this.#options.onSettled();
  }

  /** Tells the handlers of a gap until they took it. False when the run closed before. */
  async answer(gap: Gap): Promise<boolean> {
    this.#options.handlers.onNotice({ kind: "gap", ...gap });
    for (let attempt = 1; !this.closed; attempt += 1) {
      try {
        await this.#options.handlers.onGap(gap);
        return !this.closed;
      } catch (error) {
        await this.pauseFor(attempt, error);
      }
    }
    return false;
  }

  /** A pause for something else than a slice, cut short when the run closes. */
  async pauseFor(attempt: number, error: unknown): Promise<void> {
    const { handlers, log, tuning, random } = this.#options;
    const forMs = backoffMs(attempt, tuning.retry, random);
    log.warn({ err: error, ...this.partition, forMs }, "partition paused");
    handlers.onNotice({ kind: "paused", partition: this.partition, reason: reasonOf(error), forMs });
    await this.#sleep(forMs);
  }

  /** Takes no new slices. */
  freeze(): void {
    if (this.#state === "ended") return;
    this.#state = "frozen";
    this.#options.feed.pause();
    this.#wait?.abort();
    this.#pulse.beat();
  }

  /** Forgets everything. */
  end(): void {
    this.#state = "ended";
    this.#interrupt();
    this.#abortSlices();
    this.#ended.abort(consumerError("UNSTALE_SOURCE_STOPPED", "The partition is not owned any more."));
    this.#pulse.beat();
  }

  /** Resolves when nothing is under way any more: whether all of it was done. */
  async drained(): Promise<boolean> {
    const busy = (): boolean => this.#deliveries > 0 || this.#tracker.unsettled > this.#spoiled;
    await this.#pulse.until(() => this.#state === "ended" || !busy());
    return this.#spoiled === 0 && !busy();
  }

  async #deliver({ batch, goOn, onTaken }: Delivery): Promise<void> {
    const { decode, tuning } = this.#options;
    const limits = { maxChanges: tuning.maxSliceChanges, maxRecords: tuning.maxSliceRecords };
    const epoch = this.#epoch;
    const open = (): boolean => this.#state === "running" && epoch === this.#epoch && goOn();
    let fromIndex = 0;
    while (open()) {
      const cut = cutSlice({ batch, fromIndex, position: this.position, decode, limits });
      if (cut === undefined) {
        this.#tracker.skipTo(batch.next);
        if (fromIndex === 0) onTaken(batch.next);
        return;
      }
      if (!(await this.#room(open)) || !(await this.#apply(cut, batch.end))) return;
      fromIndex = cut.nextIndex;
      onTaken(cut.next);
    }
  }

  /** Whether the slice was applied and is registered. */
  async #apply(cut: CutSlice, end: bigint): Promise<boolean> {
    const abort = new AbortController();
    const epoch = this.#epoch;
    const { first, next, changes } = cut;
    const readable = readableIn(cut);
    const facts = {
      first,
      next,
      changes,
      readable,
      records: cut.records.length,
      traces: collectTraces(cut.records),
      end,
    };
    const slice: Slice = { ...this.partition, ...facts, signal: abort.signal };
    this.#applying = abort;
    const outcome = await this.#attemptAt(slice, cut, abort);
    // A seek, a gap or the end came in between; each of them has seen to the rest.
    if (epoch !== this.#epoch) return false;
    this.#applying = undefined;
    if (outcome.kind === "applied") this.#settleLater(slice, abort, outcome.settled);
    else if (outcome.kind === "rewind") this.seek(outcome.offset);
    else this.#hold(outcome.afterMs, outcome.reason);
    return outcome.kind === "applied";
  }

  async #attemptAt(slice: Slice, cut: CutSlice, abort: AbortController): Promise<SliceOutcome> {
    const { handlers, deadLetters, clock, tuning, log, random } = this.#options;
    try {
      const timeoutMs = tuning.sliceTimeoutMs;
      const outcome = await attemptSlice({ slice, cut, abort, handlers, deadLetters, clock, timeoutMs });
      if (outcome.kind === "applied") this.#attempt = 0;
      return outcome;
    } catch (error) {
      const interrupted = this.#applying !== abort;
      if (!interrupted) log.warn({ err: error, ...this.partition, first: slice.first }, "slice was not applied");
      this.#attempt += 1;
      return { kind: "retry", afterMs: backoffMs(this.#attempt, tuning.retry, random), reason: reasonOf(error) };
    }
  }

  #settleLater(slice: Slice, abort: AbortController, settled: Promise<void>): void {
    const ticket = this.#tracker.begin(slice.first, slice.next);
    this.#slices.add(abort);
    const done = (): void => {
      this.#slices.delete(abort);
      if (this.#tracker.settle(ticket)) this.#options.onSettled();
      if (this.#state === "full" && !this.#crowded(0.5)) this.#run();
      this.#pulse.beat();
    };
    const undone = (error: unknown): void => {
      this.#slices.delete(abort);
      if (this.#tracker.holds(ticket)) this.#unsettle(slice, error);
    };
    settled.then(done, undone);
  }

  /** What was applied is not known to be done: it is delivered again, with all that has not settled before it. */
  #unsettle(slice: Slice, error: unknown): void {
    const { tuning, random, log } = this.#options;
    if (this.#state === "ended") return;
    log.warn({ err: error, ...this.partition, first: slice.first }, "slice did not settle");
    if (this.#state === "frozen") {
      this.#spoiled += 1;
      this.#pulse.beat();
      return;
    }
    this.#move(this.#tracker.watermark);
    this.#attempt += 1;
    if (this.#state !== "gap") this.#hold(backoffMs(this.#attempt, tuning.retry, random), reasonOf(error));
  }

  /** Whether there is room for one more slice; waits a little, then pauses the partition. */
  async #room(open: () => boolean): Promise<boolean> {
    const { clock, tuning, feed } = this.#options;
    const crowded = (): boolean => this.#crowded(1);
    await waitForRoom({ pulse: this.#pulse, crowded, open, clock, waitMs: tuning.roomWaitMs });
    if (!open() || !crowded()) return open();
    this.#state = "full";
    feed.pause();
    return false;
  }

  #crowded(share: number): boolean {
    const { maxUnsettledSlices, maxUncommittedSlices } = this.#options.tuning;
    const { unsettled, waiting } = this.#tracker;
    return unsettled >= Math.ceil(maxUnsettledSlices * share) || waiting >= Math.ceil(maxUncommittedSlices * share);
  }

  #hold(forMs: number, reason: string): void {
    if (this.closed) return;
    this.#state = "held";
    this.#options.feed.pause();
    this.#options.handlers.onNotice({ kind: "paused", partition: this.partition, reason, forMs });
    const epoch = this.#epoch;
    void this.#sleep(forMs).then(() => {
      if (this.#state === "held" && epoch === this.#epoch) this.#run();
    });
  }

  #run(): void {
    const wasHeld = this.#state === "held";
    this.#state = "running";
    if (wasHeld) this.#options.handlers.onNotice({ kind: "resumed", partition: this.partition });
    this.#options.feed.resume(this.position);
    this.#pulse.beat();
  }

  #move(offset: bigint): void {
    this.#interrupt();
    if (offset >= this.position) {
      this.#tracker.skipTo(offset);
      return;
    }
    this.#abortSlices();
    const { watermark } = this.#tracker;
    this.#tracker.reset(offset < watermark ? offset : watermark);
  }

  /** Nothing that is being applied or waited for goes on. */
  #interrupt(): void {
    this.#epoch += 1;
    this.#applying?.abort(forgotten());
    this.#applying = undefined;
    this.#wait?.abort();
    this.#pulse.beat();
  }

  #abortSlices(): void {
    for (const slice of this.#slices) slice.abort(forgotten());
    this.#slices.clear();
  }

  /** Never rejects: it ends early when the run moves on. */
  async #sleep(forMs: number): Promise<void> {
    const wait = new AbortController();
    this.#wait = wait;
    if (!this.closed) await this.#options.clock.sleep(forMs, wait.signal).catch(() => {});
  }
}

function forgotten(): Error {
  return consumerError("UNSTALE_SOURCE_STOPPED", "The slice is delivered again, here or by another worker.");
}
