import type { CacheStore, Invalidator } from "@unstale/cache-core";
import { unsupported, workerError } from "./errors.ts";
import type { Logger } from "./logger.ts";
import type { WorkerMetrics } from "./metrics.ts";

/** Why changes may have been missed: a metric label, and a word in the log. */
export type WideningReason =
  | "recreated"
  | "forgotten"
  | "lost"
  | "expired"
  | "gap-retention"
  | "gap-recreated"
  | "gap-skipped";

export interface Mark {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

/**
 * What cannot be replayed becomes unservable (I5). The order is: everything, attach where the account of the partition
 * begins anew, seal. A crash before the seal repeats it all, since the position is not written yet (or is one that asks for
 * a barrier again); the seal writes barrier and position in one step, so that a failover loses both or neither.
 */
export interface Widening {
  /** Invalidates everything that the topic may feed. Resolves when no program can be served any of it. */
  everything(topic: string, reason: WideningReason): Promise<void>;
  /** Writes offsets as applied, whatever was there, and sees to it that a replica has them where there is one (H22). */
  attach(marks: readonly Mark[]): Promise<void>;
  /** The barrier once more, together with the offset, which a later one that is there survives. */
  seal(mark: Mark): Promise<void>;
}

export interface WideningOptions {
  readonly store: Pick<CacheStore, "attach" | "awaitReplicas" | "serverInfo">;
  readonly invalidator: Pick<Invalidator, "invalidate">;
  readonly buckets: number;
  readonly foreignWriters: boolean;
  readonly metrics: WorkerMetrics;
  readonly log: Logger;
}

const replicaTimeoutMs = 1_000;

export function createWidening(options: WideningOptions): Widening {
  const { store, invalidator, buckets, foreignWriters, metrics, log } = options;

  async function invalidateEverything(topic: string, reason: WideningReason): Promise<void> {
    const reply = await invalidator.invalidate({ documents: [], scopes: [], barrier: true });
    if (reply.kind !== "applied") return;
    metrics.add("barriers", { topic, reason });
    log.error({ topic, reason }, "changes may have been missed; everything was invalidated");
    // Keys of the plain schema carry no version: they are served until the scan has deleted them (H21).
    if (foreignWriters) await reply.settled;
  }

  async function attachIn(bucket: number, { topic, partition, offset }: Mark): Promise<void> {
    const reply = await store.attach({ bucket, topic, partition, offset: Number(offset) });
    if (reply.kind === "format") throw unsupported("UNSTALE_FORMAT_TOO_NEW", formatTooNew);
  }

  return {
    everything: invalidateEverything,
    attach: async (marks) => {
      if (marks.length === 0) return;
      const everyBucket = Array.from({ length: buckets }, (_, bucket) => bucket);
      await Promise.all(everyBucket.flatMap((bucket) => marks.map((mark) => attachIn(bucket, mark))));
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
    seal: async ({ topic, partition, offset }) => {
      // After a previous offset of 0 Valkey can neither be behind nor have lost the partition.
      const position = { topic, partition, previous: 0, next: Number(offset) };
      await invalidator.invalidate({ documents: [], scopes: [], barrier: true, position });
    },
  };
}

export const formatTooNew =
  "The keys in Valkey were written by a newer version of unstale. Update this worker; it does nothing until then.";
