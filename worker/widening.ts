import { type CacheStore, type Invalidation, type Invalidator, inEveryBucket } from "@unstale/cache-core";
import { unsupported, workerError } from "./errors.ts";
import type { Reach, ReachOf, WideningReason } from "./gap-policy.ts";
import type { Logger } from "./logger.ts";
import type { WorkerMetrics } from "./metrics.ts";

export interface Mark {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** Why changes may have been missed before it, if any may. */
  readonly reason?: WideningReason | undefined;
}

/** Changes of one partition that may have been missed. */
export interface Missed {
  readonly topic: string;
  readonly partition: number;
  readonly reason: WideningReason;
  /** The offset that would have been next, and the one with which the partition goes on. */
  readonly from: bigint;
  readonly to: bigint;
}

/**
 * What cannot be replayed becomes unservable (I5): everything, or as much as the topic's gap policy says. The order is:
 * widen, attach where the account of the partition begins anew, seal. A crash before the seal repeats it all, since the
 * position is not written yet (or is one that asks for it again); the seal writes barrier and position in one step, so that
 * a failover loses both or neither. The barrier that attaching brings is left out where the policy asks for less than
 * everything: a replica that has the attach has what was made unservable before it.
 */
export interface Widening {
  /** Says what was missed, and resolves when no program can be served anything that it may have made stale. */
  widen(missed: readonly Missed[]): Promise<void>;
  /** Writes offsets as applied, whatever was there, and sees to it that a replica has them where there is one (H22). */
  attach(marks: readonly Mark[]): Promise<void>;
  /** The same once more, together with the offset, which a later one that is there survives. */
  seal(mark: Mark & { readonly reason: WideningReason }): Promise<void>;
}

export interface WideningOptions {
  readonly store: Pick<CacheStore, "attach" | "awaitReplicas" | "serverInfo">;
  readonly invalidator: Pick<Invalidator, "invalidate">;
  readonly buckets: number;
  readonly reachOf: ReachOf;
  readonly foreignWriters: boolean;
  readonly metrics: WorkerMetrics;
  readonly log: Logger;
}

const replicaTimeoutMs = 1_000;

export function createWidening(options: WideningOptions): Widening {
  const { store, invalidator, buckets, reachOf, foreignWriters, metrics, log } = options;

  async function invalidate(reach: Reach): Promise<void> {
    if (reach.kind === "nothing") return;
    const reply = await invalidator.invalidate(widest(reach));
    // Keys of the plain schema carry no version: they are served until the scan has deleted them (H21).
    if (reply.kind === "applied" && foreignWriters) await reply.settled;
  }

  function say({ topic, partition, reason, from, to }: Missed, reach: Reach): void {
    metrics.add("barriers", { topic, reason, reach: reach.kind });
    metrics.missed({ topic, partition, from: Number(from), to: Number(to) });
    const namespaces = reach.kind === "namespaces" ? { namespaces: reach.namespaces } : {};
    const facts = { topic, partition, reason, from, to, ...namespaces };
    log.error(facts, `changes may have been missed; ${answers[reach.kind]}`);
  }

  async function attachIn(bucket: number, { topic, partition, offset, reason }: Mark): Promise<void> {
    const isBounded = reason !== undefined && reachOf(topic, reason).kind !== "everything";
    const barrier = isBounded ? { barrier: false } : {};
    const reply = await store.attach({ bucket, topic, partition, offset: Number(offset), ...barrier });
    if (reply.kind === "format") throw unsupported("UNSTALE_FORMAT_TOO_NEW", formatTooNew);
  }

  return {
    widen: async (missed) => {
      // Partitions of a topic that were assigned together have one answer.
      const reaches = new Map(missed.map(({ topic, reason }) => [`${topic} ${reason}`, reachOf(topic, reason)]));
      for (const reach of reaches.values()) await invalidate(reach);
      for (const one of missed) say(one, reachOf(one.topic, one.reason));
    },
    attach: async (marks) => {
      if (marks.length === 0) return;
      await inEveryBucket(buckets, (bucket) => Promise.all(marks.map((mark) => attachIn(bucket, mark))));
      const { replicas } = await store.serverInfo();
      if (replicas === 0) return;
      const reached = await store.awaitReplicas({ replicas: 1, timeoutMs: replicaTimeoutMs });
      if (reached > 0) return;
      throw workerError(
        "UNSTALE_REPLICA_BEHIND",
        `None of ${replicas} replicas of Valkey acknowledged the start of a partition within ${replicaTimeoutMs} ms. ` +
          "The partition stays paused and is tried again; look at the replication of the server.",
      );
    },
    seal: async ({ topic, partition, offset, reason }) => {
      // After a previous offset of 0 Valkey can neither be behind nor have lost the partition.
      const position = { topic, partition, previous: 0, next: Number(offset) };
      await invalidator.invalidate({ ...widest(reachOf(topic, reason)), position });
    },
  };
}

const answers: Readonly<Record<Reach["kind"], string>> = {
  everything: "everything was invalidated",
  namespaces: "the namespaces that the topic feeds were invalidated",
  nothing: "nothing was invalidated, as onGap says for this topic: entries may be stale until their TTL",
};

function widest(reach: Reach): Invalidation {
  const scopes = reach.kind === "namespaces" ? reach.namespaces.map((namespace) => ({ namespace })) : [];
  return { documents: [], scopes, barrier: reach.kind === "everything" };
}

export const formatTooNew =
  "The keys in Valkey were written by a newer version of unstale. Update this worker; it does nothing until then.";
