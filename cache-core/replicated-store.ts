import { cacheError } from "./errors.ts";
import type { CacheStore } from "./store.ts";

export interface ReplicaRequirement {
  /** How many replicas must have an invalidation before it counts as done; in a cluster those of each primary. From 1. */
  readonly replicas: number;
  /** How long to wait for them, in ms. The connection waits with them: other calls on it come after. */
  readonly timeoutMs: number;
}

/**
 * A store whose invalidations are done only when replicas have them: a failover to one of these loses nothing that was
 * acknowledged. What is not there in time rejects with `UNSTALE_NOT_REPLICATED`; the barrier stands all the same, and
 * doing it again costs nothing (I6).
 *
 * WAIT counts for all writes of the connection that were answered before it, so that calls which come while one is under
 * way share the next one.
 */
export function requireReplicas(store: CacheStore, { replicas, timeoutMs }: ReplicaRequirement): CacheStore {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | undefined;

  function acknowledged(): Promise<void> {
    if (next !== undefined) return next;
    const asked = running.then(() => {
      next = undefined;
      return wait();
    });
    next = asked;
    running = asked.catch(() => undefined);
    return asked;
  }

  async function wait(): Promise<void> {
    const reached = await store.awaitReplicas({ replicas, timeoutMs });
    if (reached >= replicas) return;
    throw cacheError(
      "UNSTALE_NOT_REPLICATED",
      `Expected ${replicas} replicas of Valkey to acknowledge an invalidation within ${timeoutMs} ms; ${reached} did. ` +
        "Nothing that it names is served, but a failover could forget it: it is not acknowledged. Look at the replication of the server.",
    );
  }

  return {
    ...store,
    invalidate: async (request) => {
      const reply = await store.invalidate(request);
      if (reply.kind === "applied") await acknowledged();
      return reply;
    },
    attach: async (request) => {
      const reply = await store.attach(request);
      if (reply.kind === "attached") await acknowledged();
      return reply;
    },
  };
}
