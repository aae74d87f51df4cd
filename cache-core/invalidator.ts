import { inEveryBucket } from "./buckets.ts";
import { type CallSize, createCallSize } from "./call-size.ts";
import { type Cleanup, createCleanup } from "./cleanup.ts";
import { type Clock, systemClock } from "./clock.ts";
import { cacheError } from "./errors.ts";
import type { Bucket, CacheStore, DocumentChange, Drain, InvalidateReply, LogPosition, ScopeChange } from "./store.ts";

/** What changed, for one call: each document and each namespace at most once. */
export interface Invalidation {
  readonly documents: readonly DocumentChange[];
  readonly scopes: readonly ScopeChange[];
  readonly position?: LogPosition | undefined;
  /** Invalidate the whole deployment, because something that changed cannot be known any more (I5). */
  readonly barrier?: boolean | undefined;
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
  /** Finishes drains that somebody else left, or joins them where they are under way. Resolves to entries deleted. */
  finish(drains: readonly Drain[]): Promise<number>;
  /** Drains under way now. */
  readonly draining: number;
  /** Breaks the deletions off; `settled` rejects. They are registered in Valkey and finished by whoever finds them. */
  stop(): void;
}

export interface InvalidatorOptions {
  readonly store: CacheStore;
  /** Buckets of the deployment. Default 1. */
  readonly buckets?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Members that the first step of a drain looks at; it goes on with up to twice as many. Default 300. */
  readonly drainCount?: number | undefined;
  /** Keys that the first step of a scan looks at, likewise. Default 500. */
  readonly sweepCount?: number | undefined;
  /** How often a deletion is tried while the store is unavailable. Default 8, over about 12 s. */
  readonly attempts?: number | undefined;
}

export function createInvalidator(options: InvalidatorOptions): Invalidator {
  const { store, buckets = 1, clock = systemClock, drainCount = 300, sweepCount = 500, attempts = 8 } = options;
  const cleanup = createCleanup({ store, clock, drainCount, sweepCount, attempts });
  const size = createCallSize();

  return {
    invalidate: async (invalidation) => {
      const perBucket = await inEveryBucket(buckets, (bucket) => barrierIn({ store, size, bucket, invalidation }));
      const replies = perBucket.flat();
      const rollbacks = replies.filter((reply) => reply.kind === "rollback");
      // Each bucket tells how far it fell back: replay for the one that fell furthest.
      if (rollbacks.length > 0) return { kind: "rollback", applied: Math.min(...rollbacks.map((one) => one.applied)) };
      const applied = replies.filter((reply) => reply.kind === "applied");
      const settled = settle(cleanup, { applied, scopes: invalidation.scopes });
      // Whoever does not wait for the deletions must not be struck by an unhandled rejection.
      settled.catch(() => undefined);
      return { ...summaryOf(applied), settled };
    },
    finish: async (drains) => {
      let deleted = 0;
      for (const drain of drains) deleted += await cleanup.drain(drain);
      return deleted;
    },
    get draining() {
      return cleanup.draining;
    },
    stop: () => cleanup.stop(),
  };
}

type Applied = Extract<InvalidateReply, { kind: "applied" }>;
type Rollback = Extract<InvalidateReply, { kind: "rollback" }>;

interface BucketCall {
  readonly store: CacheStore;
  readonly size: CallSize;
  readonly bucket: Bucket;
  readonly invalidation: Invalidation;
}

/**
 * One call per bucket, or several where there are more documents than a step may touch. Only the last carries the scopes
 * and advances `applied`: if an earlier one is all that happened, the whole is repeated. One waits for the other, since
 * Valkey works off what a connection has sent in one go, and other clients would wait for all of them together (I7).
 */
async function barrierIn({ store, size, bucket, invalidation }: BucketCall): Promise<(Applied | Rollback)[]> {
  const { scopes, position, barrier } = invalidation;
  const replies: (Applied | Rollback)[] = [];
  let rest = invalidation.documents;
  do {
    const documents = rest.slice(0, size.documents);
    rest = rest.slice(documents.length);
    const isLast = rest.length === 0;
    const reply = await store.invalidate({
      bucket,
      documents,
      scopes: isLast ? scopes : [],
      barrier: isLast ? barrier : undefined,
      position: position && { ...position, next: isLast ? position.next : position.previous },
    });
    if (reply.kind === "format") {
      throw cacheError(
        "UNSTALE_FORMAT_TOO_NEW",
        "The keys in Valkey were written by a newer version of unstale. Update this program; nothing was invalidated.",
      );
    }
    replies.push(reply);
    if (reply.kind === "rollback") break;
    size.learn({ documents: documents.length, drains: reply.drains.length, deleted: reply.deleted });
  } while (rest.length > 0);
  return replies;
}

function summaryOf(replies: readonly Applied[]): Omit<Extract<InvalidationReply, { kind: "applied" }>, "settled"> {
  const sum = (count: (reply: Applied) => number): number => replies.reduce((total, reply) => total + count(reply), 0);
  return {
    kind: "applied",
    deleted: sum((reply) => reply.deleted),
    drains: sum((reply) => reply.drains.length),
    raised: sum((reply) => reply.raised),
    pruned: sum((reply) => reply.pruned),
    born: replies.some((reply) => reply.born),
    barrier: replies.some((reply) => reply.barrier),
  };
}

interface Owed {
  readonly applied: readonly Applied[];
  readonly scopes: readonly ScopeChange[];
}

/** The deletions that a call owes before its offset may be committed (I3). */
async function settle(cleanup: Cleanup, { applied, scopes }: Owed): Promise<Settled> {
  const drained = applied.flatMap((reply) => reply.drains).map((drain) => cleanup.drain(drain));
  // Version tags make our own entries unservable at once; keys of the plain schema may carry none (H21).
  const everything = applied.some((reply) => reply.barrier) || scopes.some((scope) => scope.namespace === undefined);
  const namespaces = everything ? [undefined] : scopes.map((scope) => scope.namespace);
  const swept = namespaces.map((namespace) => cleanup.sweep(namespace));
  const outcomes = await Promise.allSettled([...drained, ...swept]);
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
  return {
    deleted: outcomes.reduce((total, outcome) => total + (outcome.status === "fulfilled" ? outcome.value : 0), 0),
  };
}
