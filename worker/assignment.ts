import { type CacheStore, inEveryBucket } from "@unstale/cache-core";
import type { AssignedPartition, Gap, Partition, StartPosition } from "../consumers/change-source.ts";
import { unsupported } from "./errors.ts";
import type { WideningReason } from "./gap-policy.ts";
import type { Logger } from "./logger.ts";
import type { WorkerMetrics } from "./metrics.ts";
import type { Pipeline } from "./pipeline.ts";
import type { Positions } from "./positions.ts";
import { decideStart, type StartDecision, type StartReason } from "./start-position.ts";
import { formatTooNew, type Mark, type Missed, type Widening } from "./widening.ts";

/** Answers the source: where to begin, and what to do about events that were lost. */
export interface Assignment {
  onAssigned(partitions: readonly AssignedPartition[]): Promise<readonly StartPosition[]>;
  onRevoked(partitions: readonly Partition[]): void;
  onGap(gap: Gap): Promise<void>;
}

export interface AssignmentOptions {
  readonly store: Pick<CacheStore, "heartbeat">;
  readonly buckets: number;
  readonly positions: Positions;
  readonly pipeline: Pick<Pipeline, "quiet">;
  readonly widening: Widening;
  /** Of this worker; known by the time that partitions are assigned. */
  readonly deploymentId: () => string | undefined;
  readonly metrics: WorkerMetrics;
  readonly log: Logger;
}

interface Start extends Mark {
  readonly decision: StartDecision;
  readonly missed?: Missed | undefined;
  /** What every bucket had applied before. */
  readonly seen: number;
}

export function createAssignment(options: AssignmentOptions): Assignment {
  const { store, buckets, positions, pipeline, widening, deploymentId, metrics, log } = options;

  /** For each partition what each bucket says. */
  async function appliedOffsets(
    partitions: readonly Partition[],
  ): Promise<readonly (readonly (number | undefined)[])[]> {
    const replies = await inEveryBucket(buckets, (bucket) => store.heartbeat({ bucket, partitions }));
    return partitions.map((_, index) =>
      replies.map((reply) => {
        if (reply.kind === "format") throw unsupported("UNSTALE_FORMAT_TOO_NEW", formatTooNew);
        return reply.applied[index];
      }),
    );
  }

  async function onAssigned(partitions: readonly AssignedPartition[]): Promise<readonly StartPosition[]> {
    await Promise.all(partitions.map((partition) => pipeline.quiet(partition)));
    const applied = await appliedOffsets(partitions);
    const deployment = deploymentId();
    const starts = partitions.map(({ topic, partition, committed, owner, low, end }, index): Start => {
      const marksStart = deployment !== undefined;
      const decision = decideStart({ committed, low, end, applied: applied[index] ?? [], marksStart });
      if (owner !== undefined && owner !== deployment) {
        const facts = { topic, partition, committed, from: owner, deployment };
        log.warn(facts, "taking over what another deployment committed; nobody of it is in the group now");
      }
      report({ topic, partition, committed, low, end, applied: applied[index] }, decision);
      const missed = missedBy({ topic, partition }, decision);
      const seen = seenBy(applied[index] ?? [], decision);
      return { topic, partition, offset: decision.offset, reason: missed?.reason, decision, missed, seen };
    });
    await widening.widen(starts.flatMap(({ missed }) => missed ?? []));
    await widening.attach(starts.filter(({ decision }) => decision.attach));
    for (const { missed, ...start } of starts) if (missed) await widening.seal({ ...start, reason: missed.reason });
    for (const start of starts) positions.begin(start, Number(start.offset), start.seen);
    return starts.map(({ topic, partition, offset }) => ({ topic, partition, offset }));
  }

  function report(
    facts: { readonly topic: string } & Record<string, unknown>,
    { offset, reason, barrier }: StartDecision,
  ): void {
    if (reason === "rolled-back") metrics.add("rollbacks", { topic: facts.topic });
    const level = barrier || reason === "rolled-back" ? "warn" : "debug";
    log[level]({ ...facts, offset, reason }, "partition assigned");
  }

  async function onGap(gap: Gap): Promise<void> {
    const { partition: place, from, to, cause } = gap;
    await pipeline.quiet(place);
    metrics.add("gaps", { topic: place.topic, cause });
    if (to > from) metrics.add("records", { topic: place.topic, outcome: "missed" }, Number(to - from));
    const reason = `gap-${cause}` as const;
    await widening.widen([{ ...place, reason, from, to }]);
    const mark = { ...place, offset: to, reason };
    // Only these may go back.
    if (cause === "recreated" || cause === "reset") await widening.attach([mark]);
    await widening.seal(mark);
    positions.begin(place, Number(to));
  }

  return {
    onAssigned,
    onRevoked: (partitions) => {
      for (const partition of partitions) positions.forget(partition);
    },
    onGap,
  };
}

/** Where a log begins anew, what was applied of it before is of another one. */
function seenBy(applied: readonly (number | undefined)[], { attach, offset }: StartDecision): number {
  return attach ? Number(offset) : Math.max(Number(offset), Math.min(...applied.map((one) => one ?? 0)));
}

function missedBy(partition: Partition, { barrier, reason, from, offset }: StartDecision): Missed | undefined {
  const widening = wideningReasons[reason];
  return barrier && widening !== undefined ? { ...partition, reason: widening, from, to: offset } : undefined;
}

/** Of the decisions that may ask for a barrier. */
const wideningReasons: Readonly<Record<StartReason, WideningReason | undefined>> = {
  resumed: undefined,
  "rolled-back": undefined,
  new: undefined,
  forgotten: "forgotten",
  lost: "lost",
  expired: "expired",
  recreated: "recreated",
};
