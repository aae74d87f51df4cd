import type { Drain } from "@unstale/cache-core";
import { insist, type Reply, type ReplyOf, type RequestOf, type Step } from "../step.ts";
import type { WorkerOptions } from "./worker.ts";

type Work<T = void> = Generator<Step, T, Reply>;

export const topic = "changes";

/** What `worker/widening` and `cache-core/cleanup` do, step by step. */
export function createRepairs(options: WorkerOptions) {
  const { partition, buckets = 1, drainCount = 2, sweepCount = 100, flaws = {} } = options;
  const everyBucket = Array.from({ length: buckets }, (_, bucket) => bucket);
  const topicPartition = { topic, partition: Number(partition) };

  function* everything(): Work {
    for (const bucket of everyBucket) {
      yield* insist("invalidate", { bucket, documents: [], scopes: [], barrier: true });
    }
    yield* sweep(undefined);
  }

  function* attach(offset: number): Work {
    for (const bucket of everyBucket) yield* insist("attach", { ...topicPartition, bucket, offset });
    yield { do: "replicated", ...(flaws.doesNotWait ? { pretends: true } : {}) };
  }

  function* seal(offset: number): Work {
    const position = { ...topicPartition, previous: 0, next: offset };
    for (const bucket of everyBucket) {
      yield* insist("invalidate", { bucket, documents: [], scopes: [], barrier: true, position });
    }
  }

  /** Whether it came to its end; not so where the keys became those of a newer format. */
  function* sweep(namespace: string | undefined): Work<boolean> {
    if (flaws.doesNotSweep) return true;
    let cursor = "0";
    do {
      const reply = yield* insist("sweep", { namespace, cursor, count: sweepCount });
      if (reply.kind === "format") return false;
      cursor = reply.cursor;
    } while (cursor !== "0");
    return true;
  }

  function* drainAway(drain: Drain): Work<boolean> {
    const start = { drain, count: drainCount, cursor: "0" };
    let request: RequestOf<"drain"> = start;
    for (;;) {
      const reply: ReplyOf<"drain"> = yield* insist("drain", request);
      if (reply.kind === "finished" || reply.kind === "format") return reply.kind === "finished";
      if (reply.kind === "restart" && flaws.carriesCursorAcross) {
        // What a cursor of another server comes to: the scan ends early, and the rest is forgotten.
        const set = `unstale:drain:${drain.token}:${drain.document}`;
        yield { do: "raw", command: { name: "UNLINK", keys: [set, "unstale:draining"] } };
        return true;
      }
      const carries = reply.kind === "more" && !flaws.forgetsCursor;
      request = carries ? { ...start, cursor: reply.cursor, replicationId: reply.replicationId } : start;
    }
  }

  /** As a sweep does. */
  function* drainAll(drains: readonly Drain[]): Work<boolean> {
    for (const drain of flaws.doesNotDrain ? [] : drains) {
      if (!(yield* drainAway(drain))) return false;
    }
    return true;
  }

  return {
    everyBucket,
    topicPartition,
    heartbeat: (bucket: number): RequestOf<"heartbeat"> => ({ bucket, partitions: [topicPartition] }),
    everything,
    attach,
    seal,
    sweep,
    drainAll,
  };
}
