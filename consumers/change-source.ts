import type { ChangeEvent } from "./change-event.ts";

/**
 * The port to where changes come from: Kafka in production, HTTP for development. Implementations decode records, send
 * what cannot be decoded to dead letters, hand slices over in order for each partition, and commit offsets. They know
 * nothing of Valkey.
 *
 * A slice goes through two moments. *Applied*: `onSlice` resolved; nothing that depends on its documents is served any
 * more, and the next slice of the partition may follow. *Settled*: the slice's `settled` promise resolved; the deletions
 * are done too, and only now may the offset be committed (I3). Slices settle in any order; the committed offset is the
 * end of the contiguous run of settled ones.
 */
export interface ChangeSource {
  /** Begins to deliver. Resolves when it has joined (Kafka: was assigned partitions or knows that there are none). */
  start(handlers: ChangeHandlers): Promise<void>;
  /**
   * Takes no new slices, waits up to `drainMs` for those under way to settle, commits, leaves the group.
   * Idempotent, never rejects.
   */
  stop(options: { readonly drainMs: number }): Promise<{ readonly drained: boolean }>;
  /**
   * Goes to an offset of a partition that is owned now. Backwards, slices under way are forgotten: their signal is
   * aborted, what they settle is not committed, and delivery begins at the first offset that has not settled, if that is
   * lower. Forwards, they may settle. Does nothing for a partition that is not owned.
   */
  seek(target: PartitionOffset): void;
  /** Partitions owned now. */
  owned(): readonly Partition[];
  lag(): Promise<readonly PartitionLag[]>;
  /**
   * Where the log of every partition of every topic ends, whoever owns it: whatever was acknowledged to a producer before
   * this call lies below. Rejects when that cannot be known of one of them.
   */
  ends(): Promise<readonly PartitionOffset[]>;
}

export interface ChangeHandlers {
  /**
   * Called for newly assigned partitions before their first slice. Says for each where to begin. While it rejects, the
   * partitions stay paused and it is tried again with backoff.
   */
  onAssigned(partitions: readonly AssignedPartition[]): Promise<readonly StartPosition[]>;
  /** Partitions that are no longer ours; slices of them still under way have had their signal aborted. */
  onRevoked(partitions: readonly Partition[]): void;
  /**
   * Slices of one partition come one after the other, in order of offsets; slices of several partitions side by side. A
   * slice may have no changes (its records were dead-lettered): its offsets still want to be remembered. A rejection is
   * taken like `retry` with a backoff of the source's own.
   */
  onSlice(slice: Slice): Promise<SliceOutcome>;
  /**
   * Events were lost before we saw them (I5). Nothing of the partition is delivered or committed until it resolves;
   * while it rejects it is tried again with backoff.
   */
  onGap(gap: Gap): Promise<void>;
  /** What happened to the source; for logs, metrics and health. Must not throw. */
  onNotice(notice: SourceNotice): void;
}

export interface Partition {
  readonly topic: string;
  readonly partition: number;
}

export interface PartitionOffset extends Partition {
  readonly offset: bigint;
}

export interface AssignedPartition extends Partition {
  /**
   * What the group has committed; absent when it never did, or when its offset was lost: with `low` above what the store
   * says was applied, events are missing.
   */
  readonly committed?: bigint;
  /** Who committed it, see `KafkaSourceOptions.owner`; absent where that is not known. */
  readonly owner?: string;
  /** First offset that is still there. */
  readonly low: bigint;
  /** Offset that the next record will get. */
  readonly end: bigint;
}

export interface Gap {
  readonly partition: Partition;
  /** The offset that we would have read next, and the one with which we go on; `to` is the smaller one after `recreated`. */
  readonly from: bigint;
  readonly to: bigint;
  /**
   * `retention`: the log's start overtook us. `recreated`: it is another log under the same name, as its id or its end
   * before our position says, or it was cut.
   * `reset`: a tool has set the group's offset, which does not say in which log it counts. `skipped`: offsets are missing in
   * the middle of a log that is never compacted.
   */
  readonly cause: "retention" | "recreated" | "reset" | "skipped";
}

/** Where to begin. `offset` must lie between `low` and `end`. */
export interface StartPosition extends Partition {
  readonly offset: bigint;
}

export interface PositionedChange {
  readonly change: ChangeEvent;
  readonly offset: bigint;
  /** Milliseconds since the epoch: when it happened, as the event says, else the record's time. */
  readonly occurredAt: number;
}

export interface Slice extends Partition {
  /** At most 500, unless a single record has more. */
  readonly changes: readonly PositionedChange[];
  /** Offset of the first record of the slice, and the one after its last. */
  readonly first: bigint;
  readonly next: bigint;
  readonly records: number;
  /** Offsets of those records that could be read; the others go to the dead letters. */
  readonly readable: readonly bigint[];
  /** Distinct W3C trace contexts of the records, at most 64; `{traceparent, tracestate?}`. */
  readonly traces: readonly Readonly<Record<string, string>>[];
  /** Log end when the slice was fetched. */
  readonly end: bigint;
  /** Aborted when the partition is lost or sought elsewhere, the source stops for good, or applying took too long. */
  readonly signal: AbortSignal;
}

export type SliceOutcome =
  | { readonly kind: "applied"; readonly settled: Promise<void> }
  /** The store cannot be reached: the partition is paused and the slice delivered again after `afterMs`. */
  | { readonly kind: "retry"; readonly afterMs: number; readonly reason: string }
  /** The store fell back (I5): deliver again from this offset. */
  | { readonly kind: "rewind"; readonly offset: bigint };

export interface PartitionLag extends Partition {
  readonly committed?: bigint;
  readonly end: bigint;
  readonly lag: bigint;
}

export type SourceNotice =
  | { readonly kind: "joined"; readonly partitions: readonly Partition[] }
  | { readonly kind: "rebalancing" }
  | { readonly kind: "left" }
  | { readonly kind: "disconnected"; readonly error: Error }
  /** What seemed lost answers again, and the group still counts us. */
  | { readonly kind: "reconnected" }
  | { readonly kind: "restarting"; readonly error: Error; readonly afterMs: number; readonly attempt: number }
  /** It does not come back by itself: the process must be replaced. */
  | { readonly kind: "failed"; readonly error: Error }
  | { readonly kind: "waiting"; readonly reason: string }
  | { readonly kind: "paused"; readonly partition: Partition; readonly reason: string; readonly forMs: number }
  | { readonly kind: "resumed"; readonly partition: Partition }
  | { readonly kind: "committed"; readonly offsets: readonly PartitionOffset[] }
  /** Offsets that can no longer be read: events were lost before we saw them (I5). */
  | ({ readonly kind: "gap" } & Gap)
  | { readonly kind: "stalled"; readonly partition: Partition; readonly offset: bigint }
  | {
      readonly kind: "dead-letter";
      readonly partition: Partition;
      readonly offset: bigint;
      readonly reason: string;
      readonly detail: string;
    };
