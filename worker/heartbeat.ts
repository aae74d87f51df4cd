import {
  type CacheStore,
  type Clock,
  type Drain,
  type HeartbeatReply,
  type Invalidator,
  isUnstaleError,
  tryEveryBucket,
} from "@unstale/cache-core";

import type { PartitionOffset } from "../consumers/change-source.ts";
import { reasonOf } from "./errors.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";
import type { WorkerMetrics } from "./metrics.ts";
import type { Position, Positions } from "./positions.ts";
import { formatTooNew, type Widening } from "./widening.ts";

/**
 * Once a second per bucket: notices that Valkey fell back without waiting for the next event, keeps the bucket's state
 * warm, and finishes drains that somebody else left.
 */
export interface Heartbeat {
  /** One round over all buckets. Never rejects. */
  beat(): Promise<void>;
  /** What the last answers said, by bucket. */
  readonly standing: readonly BucketStanding[];
  /** Resolves when repairs and leftover drains under way have ended. */
  idle(): Promise<void>;
}

export interface BucketStanding {
  readonly bucket: number;
  readonly fences: number;
  readonly floorAgeMs: number;
}

export interface HeartbeatOptions {
  readonly store: Pick<CacheStore, "heartbeat">;
  readonly invalidator: Pick<Invalidator, "finish">;
  readonly buckets: number;
  readonly positions: Positions;
  readonly widening: Widening;
  readonly seek: (target: PartitionOffset) => void;
  /** State was lost, and the deployment record may be gone with it: writes it anew. Retried while Valkey is away. */
  readonly renew: () => Promise<void>;
  /** The record cannot be written anew: Valkey is another deployment's now. */
  readonly onReplaced: (error: Error) => void;
  readonly lifecycle: Pick<Lifecycle, "met" | "unmet">;
  readonly metrics: WorkerMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  /** A drain that is still there after this time was left by somebody. */
  readonly leftoverAfterMs: number;
}

type Alive = Extract<HeartbeatReply, { kind: "alive" }> & { readonly bucket: number };

export function createHeartbeat(options: HeartbeatOptions): Heartbeat {
  const { store, invalidator, buckets, positions, widening, lifecycle, metrics, clock, log } = options;
  const drainsSeen = new Map<string, number>();
  const background = new Set<Promise<void>>();
  const repairing = new Set<string>();
  let standing: readonly BucketStanding[] = [];
  const births = new Map<number, number>();

  async function beat(): Promise<void> {
    // Taken before the call: what is applied meanwhile cannot look like a loss.
    const before = positions.all();
    const outcomes = await tryEveryBucket(buckets, (bucket) => store.heartbeat({ bucket, partitions: before }));
    const failures = outcomes.flatMap((outcome) => (outcome.kind === "failed" ? [reasonOf(outcome.error)] : []));
    const replies = outcomes.flatMap((outcome, bucket) =>
      outcome.kind === "done" ? [{ bucket, reply: outcome.value }] : [],
    );
    const alive = replies.flatMap(({ bucket, reply }) => (reply.kind === "alive" ? [{ bucket, ...reply }] : []));
    if (failures.length > 0) metrics.add("heartbeatFailures");
    if (alive.length < replies.length) lifecycle.unmet("valkey", formatTooNew);
    else if (failures.length > 0) lifecycle.unmet("valkey", summaryOf(failures));
    else lifecycle.met("valkey", "answers");
    // What a bucket lost is repaired without waiting for another one that does not answer.
    if (alive.length < replies.length) return;
    judge(before, alive);
    await renewRecord(alive).catch((error: unknown) => {
      metrics.add("heartbeatFailures");
      lifecycle.unmet("valkey", reasonOf(error));
    });
  }

  function judge(before: readonly Position[], replies: readonly Alive[]): void {
    if (replies.length === 0) return;
    standing = replies.map(({ bucket, fences, floor, at }) => ({
      bucket,
      fences,
      floorAgeMs: Math.max(0, at - floor) / 1_000,
    }));
    if (replies.some((reply) => reply.born)) {
      metrics.add("births");
      log.warn({}, "state in Valkey was lost and is new; older leases are refused");
    }
    before.forEach((position, index) => {
      compare(
        position,
        replies.map((reply) => reply.applied[index]),
      );
    });
    finishLeftovers(replies.flatMap((reply) => reply.drains));
  }

  /** Whoever met the loss first has given the state its new birth, a producer perhaps: so births are compared. */
  async function renewRecord(replies: readonly Alive[]): Promise<void> {
    const others = replies.filter(({ bucket, birth }) => births.get(bucket) !== birth);
    const lost = others.some(({ bucket, born }) => born || births.has(bucket));
    try {
      if (lost) await options.renew();
      for (const { bucket, birth } of others) births.set(bucket, birth);
    } catch (error) {
      if (isUnstaleError(error) && error.retryable) throw error;
      options.onReplaced(error instanceof Error ? error : new Error(reasonOf(error)));
    }
  }

  function compare(position: Position, applied: readonly (number | undefined)[]): void {
    if (positions.get(position)?.epoch !== position.epoch) return;
    const known = applied.filter((offset) => offset !== undefined);
    if (known.length < applied.length) {
      if (position.offset > 0) inBackground(`lost ${position.topic}/${position.partition}`, () => repair(position));
      return;
    }
    const least = Math.min(...known);
    if (least >= position.offset) return;
    const { topic, partition } = position;
    metrics.add("rollbacks", { topic });
    log.warn({ topic, partition, applied: position.offset, known: least }, "Valkey fell back; replaying");
    positions.begin(position, least);
    options.seek({ topic, partition, offset: BigInt(least) });
  }

  /** Valkey forgot the partition: what else it forgot cannot be known (H7). */
  async function repair({ topic, partition, offset }: Position): Promise<void> {
    const at = BigInt(offset);
    await widening.widen([{ topic, partition, reason: "lost", from: at, to: at }]);
    await widening.seal({ topic, partition, offset: at, reason: "lost" });
  }

  function finishLeftovers(drains: readonly Drain[]): void {
    const now = clock.now();
    const present = new Set(drains.map(nameOf));
    for (const name of drainsSeen.keys()) if (!present.has(name)) drainsSeen.delete(name);
    for (const name of present) if (!drainsSeen.has(name)) drainsSeen.set(name, now);
    const left = drains.filter((drain) => now - (drainsSeen.get(nameOf(drain)) ?? now) >= options.leftoverAfterMs);
    if (left.length === 0) return;
    inBackground("leftovers", async () => {
      const deleted = await invalidator.finish(left);
      metrics.add("entriesDeleted", { phase: "leftover" }, deleted);
      log.info({ drains: left.length, deleted }, "finished drains that were left behind");
    });
  }

  /** One at a time of each name; a failure is tried again by the next beat. */
  function inBackground(name: string, work: () => Promise<void>): void {
    if (repairing.has(name)) return;
    repairing.add(name);
    const run = work()
      .catch((error: unknown) => log.warn({ err: error, work: name }, "could not be finished; trying again"))
      .finally(() => {
        repairing.delete(name);
        background.delete(run);
      });
    background.add(run);
  }

  return {
    beat,
    get standing() {
      return standing;
    },
    idle: async () => {
      await Promise.all(background);
    },
  };
}

function summaryOf([first = "", ...others]: readonly string[]): string {
  return others.length === 0
    ? first
    : `${first} (and ${others.length} more ${others.length === 1 ? "bucket" : "buckets"})`;
}

function nameOf({ bucket, document, token }: Drain): string {
  return `${bucket} ${token} ${document}`;
}
