import type { Drain } from "@unstale/cache-core";
import { coalesce } from "../../../worker/coalesce.ts";
import { decideStart } from "../../../worker/start-position.ts";
import {
  type ActorMemory,
  type Fetched,
  type History,
  insist,
  isUnavailable,
  type LoggedEvent,
  type Program,
  type Reply,
  type ReplyOf,
  type Step,
  type Unavailable,
} from "../step.ts";
import { positioned } from "./logged.ts";
import { createRepairs } from "./repairs.ts";

export interface WorkerOptions {
  readonly partition: string;
  readonly buckets?: number;
  /** Events in one batch at most. */
  readonly batch?: number;
  /** Members that a drain step looks at. */
  readonly drainCount?: number;
  /** Keys that a scan step looks at. */
  readonly sweepCount?: number;
  readonly flaws?: WorkerFlaws;
}

/** Mistakes that a worker could make; each must be found out. */
export interface WorkerFlaws {
  /** Every drain step begins at 0. */
  readonly forgetsCursor?: boolean;
  /** Commits the offset once the barrier is done, before the drains. */
  readonly doesNotDrain?: boolean;
  /** Drains only what its own call took away (H11). */
  readonly ignoresOthersDrains?: boolean;
  /** A cursor of another server is taken for one of this, and there it is the end (H12). */
  readonly carriesCursorAcross?: boolean;
  /** Keys without a version are left (H21). */
  readonly doesNotSweep?: boolean;
  /** Commits the offset before the barrier. */
  readonly acknowledgesFirst?: boolean;
  /** A rollback is noticed and not repaired. */
  readonly ignoresRollback?: boolean;
  /** Where Valkey does not know the partition any more, it goes on as if nothing were (H7). */
  readonly ignoresLoss?: boolean;
  /** Calls only the first bucket. */
  readonly oneBucketOnly?: boolean;
  /** Does not wait for the replica when it attaches (H22). */
  readonly doesNotWait?: boolean;
}

interface WorkerMemory extends ActorMemory {
  /** The next offset to be applied. */
  readonly position?: number;
  /** The topic that the position is of. */
  readonly epoch?: number;
}

type Work<T = void> = Generator<Step, T, Reply>;

/** What `worker/` does with one partition, step by step. Start and coalescing are its own code. */
export function worker(options: WorkerOptions): (memory: ActorMemory) => Program {
  const { partition, batch = 2, flaws = {} } = options;
  const repairs = createRepairs(options);
  const { everyBucket, topicPartition, drainAll, sweep, heartbeat } = repairs;

  function* settled(position: number, epoch: number): Work {
    const memory: WorkerMemory = { position, epoch };
    yield { do: "become", state: memory };
  }

  function* start(): Work {
    const applied = yield* appliedIn(undefined);
    if (!applied) return;
    const history = (yield { do: "history", partition }) as History;
    const { committed, low, end, epoch } = history;
    const decision = decideStart({
      committed: committed === undefined ? undefined : BigInt(committed),
      low: BigInt(low),
      end: BigInt(end),
      applied,
    });
    const offset = Number(decision.offset);
    const barrier = decision.barrier && !(flaws.ignoresLoss && decision.reason !== "resumed");
    if (barrier) yield* repairs.everything();
    if (decision.attach) yield* repairs.attach(offset);
    if (barrier) yield* repairs.seal(offset);
    yield* settled(offset, epoch);
  }

  /** What each bucket has applied; `first` is the answer of the first one, where it was asked already. */
  function* appliedIn(
    first: ReplyOf<"heartbeat"> | Unavailable | undefined,
  ): Work<readonly (number | undefined)[] | undefined> {
    const applied: (number | undefined)[] = [];
    const drains: Drain[] = [];
    for (const bucket of everyBucket) {
      const known = bucket === 0 && first && !isUnavailable(first) ? first : undefined;
      const reply = known ?? (yield* insist("heartbeat", heartbeat(bucket)));
      if (reply.kind === "format") return undefined;
      applied.push(reply.applied[0]);
      drains.push(...reply.drains);
    }
    if (first) yield* drainAll(drains);
    return applied;
  }

  function* apply(events: readonly LoggedEvent[], { position, epoch }: Place): Work {
    const first = events[0]?.offset ?? position;
    const next = (events.at(-1)?.offset ?? position - 1) + 1;
    if (flaws.acknowledgesFirst) yield { do: "acknowledge", partition, epoch, offset: next };
    const outcome = yield* barriers(events, { position, first, next });
    if ("stop" in outcome) return;
    if ("rewind" in outcome) return yield* settled(outcome.rewind, epoch);
    if (!(yield* settle(events, outcome.drains))) return;
    yield { do: "acknowledge", partition, epoch, offset: next };
    yield* settled(next, epoch);
  }

  /** The deletions that the acknowledgement waits for; whether they came to their end. */
  function* settle(events: readonly LoggedEvent[], drains: readonly Drain[]): Work<boolean> {
    if (!(yield* drainAll(drains))) return false;
    for (const { namespace } of coalesce(events.flatMap(positioned)).scopes) {
      if (!(yield* sweep(namespace))) return false;
    }
    return true;
  }

  interface Place {
    readonly position: number;
    readonly epoch: number;
  }

  type Batch = { readonly position: number; readonly first: number; readonly next: number };
  type Outcome = { readonly stop: true } | { readonly rewind: number } | { readonly drains: readonly Drain[] };

  function* barriers(events: readonly LoggedEvent[], { position, first, next }: Batch): Work<Outcome> {
    const changes = coalesce(events.flatMap(positioned));
    const covers = events.reduce((mask, { change }) => mask | (1 << change), 0);
    const drains: Drain[] = [];
    let previous = position;
    const due = flaws.oneBucketOnly ? [0] : everyBucket;
    for (let at = 0; at < due.length; at += 1) {
      const bucket = due[at] ?? 0;
      const call = { ...changes, bucket, position: { ...topicPartition, previous, next } };
      const reply = yield* insist("invalidate", call, covers);
      const verdict = judged(reply, first);
      if (typeof verdict === "object") return verdict;
      if (reply.kind === "applied" && !(yield* applied(reply, drains))) return { stop: true };
      // What was forgotten lies within this batch or after it: it is repeated here, in all buckets.
      if (verdict !== undefined) [previous, at] = [verdict, -1];
    }
    return { drains };
  }

  /** How the batch ends, or from where it is to be repeated. */
  function judged(reply: ReplyOf<"invalidate">, first: number): Outcome | number | undefined {
    if (reply.kind === "format") return { stop: true };
    if (reply.kind === "applied" || flaws.ignoresRollback) return undefined;
    return reply.applied < first ? { rewind: reply.applied } : reply.applied;
  }

  type Applied = Extract<ReplyOf<"invalidate">, { kind: "applied" }>;

  function* applied(reply: Applied, drains: Drain[]): Work<boolean> {
    const own = `:${reply.stamp}:`;
    drains.push(...reply.drains.filter(({ token }) => !flaws.ignoresOthersDrains || token.includes(own)));
    return reply.barrier ? yield* sweep(undefined) : true;
  }

  function* judge({ position, epoch }: Place, first: ReplyOf<"heartbeat"> | Unavailable): Work {
    const applied = yield* appliedIn(first);
    if (!applied) return;
    if (position > 0 && applied.includes(undefined) && !flaws.ignoresLoss) {
      yield* repairs.everything();
      yield* repairs.seal(position);
    }
    const least = Math.min(position, ...applied.map((offset) => offset ?? position));
    yield* settled(flaws.ignoresRollback ? position : least, epoch);
  }

  return function* program(memory) {
    const { position, epoch = 0 } = memory as WorkerMemory;
    if (position === undefined) return yield* start();
    const turn = (yield {
      do: "either",
      options: {
        fetch: { do: "fetch", partition, from: position, most: batch, epoch },
        heartbeat: { do: "store", method: "heartbeat", request: heartbeat(0) },
      },
    }) as { readonly chose: string; readonly reply: unknown };
    if (turn.chose === "heartbeat") {
      return yield* judge({ position, epoch }, turn.reply as ReplyOf<"heartbeat"> | Unavailable);
    }
    const { events, outOfRange } = turn.reply as Fetched;
    if (!outOfRange) return yield* apply(events, { position, epoch });
    // A gap: what lies between was lost before we saw it.
    yield* repairs.everything();
    yield* repairs.attach(outOfRange.low);
    yield* repairs.seal(outOfRange.low);
    yield* settled(outOfRange.low, outOfRange.epoch);
  };
}
