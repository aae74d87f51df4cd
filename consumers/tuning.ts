import type { BackoffPolicy } from "./backoff.ts";

/** Numbers of a source. Milliseconds where the name ends in `Ms`. */
export interface Tuning {
  readonly maxSliceChanges: number;
  readonly maxSliceRecords: number;
  /** Slices of a partition that were applied and have not settled; above it the partition is paused. */
  readonly maxUnsettledSlices: number;
  /** The same with those counted that settled out of order and wait for an earlier one to be committed. */
  readonly maxUncommittedSlices: number;
  /** How long a fetched batch waits for room before its partition is paused and the batch is fetched again later. */
  readonly roomWaitMs: number;
  /** Applying a slice; must stay below half of `rebalanceTimeoutMs`. */
  readonly sliceTimeoutMs: number;
  /** Between two attempts at a slice, an assignment or a gap. */
  readonly retry: BackoffPolicy;
  /** Least time between two commits. */
  readonly commitIntervalMs: number;
}

export const defaultTuning: Tuning = {
  maxSliceChanges: 500,
  maxSliceRecords: 1_000,
  maxUnsettledSlices: 16,
  maxUncommittedSlices: 1_024,
  roomWaitMs: 1_000,
  sliceTimeoutMs: 10_000,
  retry: { baseMs: 200, maxMs: 10_000 },
  commitIntervalMs: 200,
};
