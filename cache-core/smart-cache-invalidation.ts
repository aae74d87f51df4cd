import type { Clock } from "./clock.ts";
import type { DeploymentCheck } from "./deployment.ts";
import { cacheError } from "./errors.ts";
import type { Invalidation, Invalidator } from "./invalidator.ts";
import type { CacheStore } from "./store.ts";
import type { Telemetry } from "./telemetry.ts";

/** What an invalidation did. */
export interface InvalidationCounts {
  /** Documents that were fenced. */
  readonly documents: number;
  /** Version tags that were raised, in all buckets: of namespaces, or the global one. */
  readonly tags: number;
  /** Entries deleted, now or in steps afterwards. */
  readonly entries: number;
  /** Dependency sets so large that they were taken away whole and emptied in steps. */
  readonly drains: number;
  /** Entries deleted on the way that somebody else had left behind. */
  readonly leftovers: number;
}

export interface InvalidationsOptions {
  readonly store: CacheStore;
  readonly deployment: DeploymentCheck;
  readonly invalidator: Invalidator;
  readonly buckets: number;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly onError: (error: unknown) => void;
}

/** Invalidates without a worker: the barrier, all deletions that it owes, and one drain that somebody else left. */
export class Invalidations {
  readonly #options: InvalidationsOptions;
  #calls = 0;

  constructor(options: InvalidationsOptions) {
    this.#options = options;
  }

  /** @throws UnstaleError whatever keeps it from being done: it is never swallowed. */
  async run(scope: "source" | "namespace" | "all", invalidation: Invalidation): Promise<InvalidationCounts> {
    const { clock, telemetry } = this.#options;
    const startedAt = clock.now();
    let outcome = "failed";
    try {
      const counts = await telemetry.span("invalidate", async (span) => {
        const done = await this.#invalidate(invalidation);
        span.setAttributes({ "unstale.documents": done.documents, "unstale.entries": done.entries });
        return done;
      });
      outcome = "done";
      return counts;
    } finally {
      telemetry.add("invalidations", { scope, outcome });
      telemetry.record("invalidationDuration", clock.now() - startedAt, { scope, outcome });
    }
  }

  /** Deletions that run are broken off, and their calls fail; whoever finds them finishes them. */
  stop(): void {
    this.#options.invalidator.stop();
  }

  async #invalidate(invalidation: Invalidation): Promise<InvalidationCounts> {
    const { deployment, invalidator } = this.#options;
    const { documents, scopes } = invalidation;
    if (documents.length + scopes.length === 0) return { documents: 0, tags: 0, entries: 0, drains: 0, leftovers: 0 };
    await deployment.agree();
    const reply = await invalidator.invalidate(invalidation);
    if (reply.kind === "rollback") {
      throw cacheError(
        "UNSTALE_VALKEY_REFUSED",
        "The store tells of a rollback for a change that has no log position.",
      );
    }
    const settled = await reply.settled;
    return {
      documents: documents.length,
      tags: reply.raised,
      entries: reply.deleted + settled.deleted,
      drains: reply.drains,
      leftovers: await this.#finishLeftover(),
    };
  }

  /** Somebody may have died in the middle of a drain. Its entries cannot be served, so trouble here is nobody's failure. */
  async #finishLeftover(): Promise<number> {
    const { store, invalidator, buckets, onError } = this.#options;
    this.#calls += 1;
    try {
      const reply = await store.heartbeat({ bucket: this.#calls % buckets, partitions: [] });
      if (reply.kind === "format") return 0;
      return await invalidator.finish(reply.drains.slice(0, 1));
    } catch (error) {
      onError(error);
      return 0;
    }
  }
}
