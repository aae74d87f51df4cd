import { type CacheStore, type Clock, isUnstaleError } from "@unstale/cache-core";
import { reasonOf, unsupported } from "./errors.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";
import { serverProblem } from "./server-requirements.ts";

export interface ReachStoreOptions {
  readonly store: Pick<CacheStore, "serverInfo">;
  /** Compares our settings with those of the deployment; throws where they differ. */
  readonly agree: () => Promise<void>;
  readonly lifecycle: Pick<Lifecycle, "met" | "unmet">;
  readonly clock: Clock;
  readonly log: Pick<Logger, "info" | "warn">;
  /** Ends the attempts. */
  readonly signal: AbortSignal;
}

const everyMs = 1_000;

/**
 * Waits, visibly, until the store answers, is one that we can use, and belongs to our deployment.
 * @throws UnstaleError whatever waiting cannot mend: wrong credentials, a replica, an old server, other settings.
 */
export async function reachStore({ store, agree, lifecycle, clock, log, signal }: ReachStoreOptions): Promise<void> {
  let said: string | undefined;
  for (;;) {
    signal.throwIfAborted();
    try {
      const info = await store.serverInfo();
      const problem = serverProblem(info);
      if (problem !== undefined) throw unsupported("UNSTALE_VALKEY_UNSUPPORTED", problem);
      await agree();
      lifecycle.met("valkey", "answers");
      log.info({ server: `${info.product} ${info.version}`, replicas: info.replicas }, "reached the cache");
      return;
    } catch (error) {
      if (!isUnstaleError(error) || !error.retryable) throw error;
      const reason = reasonOf(error);
      lifecycle.unmet("valkey", reason);
      if (reason !== said) log.warn({ reason }, "waiting for Valkey");
      said = reason;
    }
    await clock.sleep(everyMs, signal);
  }
}
