/**
 * From a slice of changes to entries that are not served any more: coalesce, invalidate, and let the drains go on.
 *
 * Nouns: a *slice* is a run of records of one partition. Its *position* is the offset up to which this worker applied the
 * partition; it goes with every call as `previous`, and is taken *before* the call is sent, so that Valkey can tell that it
 * knows less than we applied (I5). A slice is *applied* at the barrier, and *settled* when everything that its barrier left
 * to be deleted is deleted; only then may its offset be committed (I3).
 *
 * Order: slices of one partition come one after the other, those of several partitions side by side; invalidating
 * commutes, so nothing else is ordered. A reply that belongs to an earlier stretch of ownership (after a seek, a rewind, a
 * new assignment) moves no position: the stretch's epoch tells.
 *
 * Failure: whatever goes wrong pauses this partition, and the same slice comes again; nothing is dropped and nothing is
 * counted as done. Doing it twice costs a miss (I6). If deletions cannot be finished, `settled` rejects, and the source
 * delivers the slice again.
 */
import type { Clock, InvalidationReply, Invalidator } from "@unstale/cache-core";
import type { Partition, Slice, SliceOutcome } from "../consumers/change-source.ts";
import { type Coalesced, coalesce } from "./coalesce.ts";
import { reasonOf } from "./errors.ts";
import type { Logger } from "./logger.ts";
import type { WorkerMetrics } from "./metrics.ts";
import type { Position, Positions } from "./positions.ts";
import { retryDelay } from "./retry-policy.ts";
import type { SliceTracing } from "./slice-tracing.ts";

export interface Pipeline {
  onSlice(slice: Slice): Promise<SliceOutcome>;
  /** Resolves when no call for the partition is under way. Its late effects cannot come after what is done then. */
  quiet(partition: Partition): Promise<void>;
}

export interface PipelineOptions {
  readonly invalidator: Pick<Invalidator, "invalidate">;
  readonly positions: Positions;
  readonly tracing: SliceTracing;
  readonly metrics: WorkerMetrics;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

/** The source has forgotten the slice, or is about to. */
const gone: SliceOutcome = { kind: "retry", afterMs: 0, reason: "the slice is not wanted any more" };

export function createPipeline(options: PipelineOptions): Pipeline {
  const { invalidator, positions, tracing, metrics, clock, random, log } = options;
  const underWay = new Map<string, Promise<unknown>>();
  const failures = new Map<string, number>();

  async function apply(slice: Slice): Promise<SliceOutcome> {
    const changes = coalesce(slice.changes);
    for (;;) {
      const position = positions.get(slice);
      if (position === undefined || slice.signal.aborted) return gone;
      const reply = await call(slice, changes, position);
      if (reply.kind === "applied") return applied(slice, changes, position, reply);
      // The heartbeat was faster: the source was sent back and has forgotten this slice. It must not be applied now, or the
      // offsets between the two would count as applied.
      if (positions.get(slice)?.epoch !== position.epoch) return gone;
      const known = BigInt(reply.applied);
      metrics.add("rollbacks", { topic: slice.topic });
      log.warn({ ...place(slice), applied: position.offset, known: reply.applied }, "Valkey fell back; replaying");
      positions.begin(slice, reply.applied);
      if (known < slice.first) return { kind: "rewind", offset: known };
      // What Valkey forgot lies within this slice or after it: it is repeated here.
    }
  }

  function call(slice: Slice, changes: Coalesced, position: Position): Promise<InvalidationReply> {
    const { topic, partition } = slice;
    const progress = { topic, partition, previous: position.offset, next: Number(slice.next) };
    return tracing.invalidate(changes, async (span) => {
      const reply = await invalidator.invalidate({ ...changes, position: progress });
      if (reply.kind === "applied") {
        span.setAttributes({ "unstale.entries.deleted": reply.deleted, "unstale.drains": reply.drains });
      }
      return reply;
    });
  }

  function applied(
    slice: Slice,
    changes: Coalesced,
    position: Position,
    reply: Extract<InvalidationReply, { kind: "applied" }>,
  ): SliceOutcome {
    const { topic } = slice;
    account(slice, position.seen);
    positions.advance(position, Number(slice.next));
    const now = clock.now();
    for (const { occurredAt } of slice.changes)
      metrics.record("eventToUnservable", Math.max(0, now - occurredAt), { topic });
    metrics.add("documents", { topic }, changes.documents.length);
    metrics.add("scopes", { topic }, reply.raised);
    metrics.add("entriesDeleted", { phase: "barrier" }, reply.deleted);
    if (reply.born) metrics.add("births");
    if (reply.barrier) {
      metrics.add("barriers", { topic, reason: "lost", reach: "everything" });
      log.error({ ...place(slice) }, "Valkey does not know this partition any more; everything was invalidated");
    }
    const facts = { documents: changes.documents.length, deleted: reply.deleted, drains: reply.drains };
    log.debug({ ...place(slice), ...facts }, "slice applied");
    tracing.drain(reply.drains, reply.settled);
    const settled = reply.settled.then(({ deleted }) => metrics.add("entriesDeleted", { phase: "drain" }, deleted));
    return { kind: "applied", settled };
  }

  /** Each record that could be read, once; the others are counted when their letters have arrived. */
  function account({ topic, readable }: Slice, seen: number): void {
    const duplicates = readable.filter((offset) => offset < seen).length;
    const outcomes = { applied: readable.length - duplicates, duplicate: duplicates };
    for (const [outcome, count] of Object.entries(outcomes)) {
      if (count > 0) metrics.add("records", { topic, outcome }, count);
    }
  }

  function failed(slice: Slice, error: unknown): SliceOutcome {
    if (slice.signal.aborted) return { kind: "retry", afterMs: 0, reason: reasonOf(slice.signal.reason) };
    const attempt = (failures.get(nameOf(slice)) ?? 0) + 1;
    failures.set(nameOf(slice), attempt);
    const { afterMs, level } = retryDelay(error, attempt, random);
    log[level]({ err: error, ...place(slice), attempt, afterMs }, "slice not applied; it is delivered again");
    return { kind: "retry", afterMs, reason: reasonOf(error) };
  }

  async function onSlice(slice: Slice): Promise<SliceOutcome> {
    const began = clock.now();
    const outcome = await tracing.slice(slice, () => apply(slice)).catch((error: unknown) => failed(slice, error));
    if (outcome.kind === "applied") failures.delete(nameOf(slice));
    metrics.record("sliceDuration", clock.now() - began, { topic: slice.topic, outcome: outcome.kind });
    return outcome;
  }

  return {
    onSlice: (slice) => {
      const name = nameOf(slice);
      const run = onSlice(slice).finally(() => {
        if (underWay.get(name) === run) underWay.delete(name);
      });
      underWay.set(name, run);
      return run;
    },
    quiet: async (partition) => {
      await underWay.get(nameOf(partition));
    },
  };
}

function nameOf({ topic, partition }: Partition): string {
  return `${topic}/${partition}`;
}

function place({ topic, partition, first, next }: Slice): object {
  return { topic, partition, first, next };
}
