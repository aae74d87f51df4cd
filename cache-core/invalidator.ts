import type { DocumentChange, Drain, LogPosition, ScopeChange } from "./store.ts";

/** What changed, for one call: each document and each namespace at most once. */
export interface Invalidation {
  readonly documents: readonly DocumentChange[];
  readonly scopes: readonly ScopeChange[];
  readonly position?: LogPosition | undefined;
  /** Invalidate the whole deployment, because something that changed cannot be known any more (I5). */
  readonly barrier?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type InvalidationReply =
  | {
      readonly kind: "applied";
      /** Entries deleted by the time of this reply; `settled` tells of the rest. */
      readonly deleted: number;
      /** Large dependency sets taken away whole, whose entries are being deleted. */
      readonly drains: number;
      readonly raised: number;
      readonly pruned: number;
      /** State was lost in some bucket. */
      readonly born: boolean;
      /** Everything was invalidated: on request, or because `applied` was lost. */
      readonly barrier: boolean;
      /** Resolves when all deletions that this call owes are done; rejects when they could not be finished. */
      readonly settled: Promise<Settled>;
    }
  /** The store fell back: go back to `applied` and replay. */
  | { readonly kind: "rollback"; readonly applied: number };

export interface Settled {
  /** Entries deleted after the reply, by drains and by the scan of a namespace. */
  readonly deleted: number;
}

/**
 * Changes over all buckets and over many steps: splits a call, joins the replies, drains what was taken away, scans where
 * keys carry no version. Both the worker and `SmartCache` invalidate through it.
 */
export interface Invalidator {
  /**
   * Resolves when nothing that depends on the changes is served any more (the barrier).
   * @throws UnstaleError `UNSTALE_VALKEY_UNAVAILABLE`: nothing is known to be done; repeat it.
   */
  invalidate(invalidation: Invalidation): Promise<InvalidationReply>;
  /** Finishes drains that somebody else left, those already under way here excepted. Resolves to entries deleted. */
  finish(drains: readonly Drain[], signal?: AbortSignal): Promise<number>;
  /** Drains under way now. */
  readonly draining: number;
}
