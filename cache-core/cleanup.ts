import type { Clock } from "./clock.ts";
import { cacheError, isUnstaleError, type UnstaleError } from "./errors.ts";
import { Semaphore } from "./semaphore.ts";
import { createStepSize, type StepSize } from "./step-size.ts";
import type { CacheStore, Drain } from "./store.ts";

/** Deletions that take many steps. They follow the barrier: what they delete is not served any more. */
export interface Cleanup {
  /**
   * Deletes the entries of a taken dependency set. Resolves to how many; joins a run of the same drain.
   * @throws UnstaleError `UNSTALE_FORMAT_TOO_NEW`, or what the store throws
   */
  drain(drain: Drain): Promise<number>;
  /** Deletes the unservable keys of a namespace, or of everything, by a scan of all buckets that begins after this call. Throws as drain does. */
  sweep(namespace: string | undefined): Promise<number>;
  /** Drains under way. */
  readonly draining: number;
  /** Breaks off everything; what is left is registered in Valkey, and finished by whoever finds it. */
  stop(): void;
}

export interface CleanupOptions {
  readonly store: CacheStore;
  readonly clock: Clock;
  /** Members that the first drain step looks at; the next ones look at more or fewer, as replies come. */
  readonly drainCount: number;
  /** Keys that the first scan step looks at, likewise. */
  readonly sweepCount: number;
  /** How often a step is tried while the store is unavailable. */
  readonly attempts: number;
}

/**
 * Steps under way at once, over all drains and sweeps. Valkey works off what a connection has sent in one go, and other
 * clients would wait for all of it (I7); a few, so that it need not wait for us in between.
 */
const stepsAtOnce = 3;

export function createCleanup({ store, clock, drainCount, sweepCount, attempts }: CleanupOptions): Cleanup {
  const stopping = new AbortController();
  const turns = new Semaphore(stepsAtOnce);
  const drains = new Map<string, Promise<number>>();
  const sweeps = new Map<string, SharedPass>();

  /** Every step only deletes and may run twice (I6), so it is repeated while that can help. */
  async function persist<T>(step: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      stopping.signal.throwIfAborted();
      try {
        return await step();
      } catch (error) {
        if (!isUnstaleError(error) || !error.retryable || attempt >= attempts) throw error;
        await clock.sleep(Math.min(100 * 2 ** (attempt - 1), 3_000), stopping.signal);
      }
    }
  }

  /** One step, when it is its turn, as large as the replies before it allow. */
  function take<T>(size: StepSize, step: (count: number) => Promise<T>): Promise<T> {
    return persist(async () => {
      const release = await turns.acquire();
      const began = clock.now();
      try {
        stopping.signal.throwIfAborted();
        const reply = await step(size.count);
        size.learn(clock.now() - began);
        return reply;
      } finally {
        release();
      }
    });
  }

  async function runDrain(drain: Drain): Promise<number> {
    const size = createStepSize(drainCount);
    let position: { cursor: string; replicationId?: number } = { cursor: "0" };
    let deleted = 0;
    for (;;) {
      const reply = await take(size, (count) => store.drain({ drain, count, ...position }));
      if (reply.kind === "format") throw tooNew();
      if (reply.kind === "restart") {
        position = { cursor: "0" };
        continue;
      }
      deleted += reply.deleted;
      if (reply.kind === "finished") return deleted;
      position = { cursor: reply.cursor, replicationId: reply.replicationId };
    }
  }

  async function runSweep(namespace: string | undefined): Promise<number> {
    const size = createStepSize(sweepCount);
    let cursor = "0";
    let deleted = 0;
    do {
      const reply = await take(size, (count) => store.sweep({ namespace, cursor, count }));
      if (reply.kind === "format") throw tooNew();
      cursor = reply.cursor;
      deleted += reply.deleted;
    } while (cursor !== "0");
    return deleted;
  }

  return {
    drain: (drain) => {
      const name = `${drain.bucket} ${drain.token} ${drain.document}`;
      const run = drains.get(name) ?? runDrain(drain).finally(() => drains.delete(name));
      drains.set(name, run);
      return run;
    },
    sweep: (namespace) => {
      const name = namespace ?? "";
      const pass = sweeps.get(name) ?? sharedPass(() => runSweep(namespace));
      sweeps.set(name, pass);
      return pass.ask().finally(() => {
        // Namespaces may be many: what nobody waits for is forgotten.
        if (pass.idle) sweeps.delete(name);
      });
    },
    get draining() {
      return drains.size;
    },
    stop: () => stopping.abort(new Error("stopped")),
  };
}

/** The newer programs know of what is left to delete: it is registered, and theirs now. */
function tooNew(): UnstaleError {
  return cacheError(
    "UNSTALE_FORMAT_TOO_NEW",
    "The keys in Valkey were written by a newer version of unstale meanwhile. Update this program; what is left was not deleted.",
  );
}

interface SharedPass {
  ask(): Promise<number>;
  readonly idle: boolean;
}

/** Everyone gets a pass that began after they asked; all who ask during one share the next. */
function sharedPass(pass: () => Promise<number>): SharedPass {
  let running: Promise<number> | undefined;
  let next: Promise<number> | undefined;
  const start = (): Promise<number> => {
    next = undefined;
    running = pass().finally(() => {
      running = undefined;
    });
    return running;
  };
  return {
    ask: () => {
      if (next) return next;
      if (!running) return start();
      next = running.then(start, start);
      return next;
    },
    get idle() {
      return !running && !next;
    },
  };
}
