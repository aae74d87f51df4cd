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
      yield* sweep(bucket, undefined);
    }
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

  function* sweep(bucket: number, namespace: string | undefined): Work {
    if (flaws.doesNotSweep) return;
    let cursor = "0";
    do {
      const reply = yield* insist("sweep", { bucket, namespace, cursor, count: sweepCount });
      cursor = reply.cursor;
    } while (cursor !== "0");
  }

  function* drainAway(drain: Drain): Work {
    const start = { drain, count: drainCount, cursor: "0" };
    let request: RequestOf<"drain"> = start;
    for (;;) {
      const reply: ReplyOf<"drain"> = yield* insist("drain", request);
      if (reply.kind === "finished") return;
      if (reply.kind === "restart" && flaws.carriesCursorAcross) {
        // What a cursor of another server comes to: the scan ends early, and the rest is forgotten.
        const set = `unstale:drain:${drain.token}:${drain.document}`;
        return void (yield { do: "raw", command: { name: "UNLINK", keys: [set, "unstale:draining"] } });
      }
      const carries = reply.kind === "more" && !flaws.forgetsCursor;
      request = carries ? { ...start, cursor: reply.cursor, replicationId: reply.replicationId } : start;
    }
  }

  function* drainAll(drains: readonly Drain[]): Work {
    if (flaws.doesNotDrain) return;
    for (const drain of drains) yield* drainAway(drain);
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
