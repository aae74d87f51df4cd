import { type CacheStore, type Clock, isUnstaleError } from "@unstale/cache-core";
import type { ConnectionProblem } from "./connection-problem.ts";
import { reasonOf, unsupported } from "./errors.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";
import { serverProblem } from "./server-requirements.ts";

export interface ReachStoreOptions {
  readonly store: Pick<CacheStore, "serverInfo">;
  readonly problem: Pick<ConnectionProblem, "last" | "isRefusal">;
  /** Compares our settings with those of the deployment; throws where they differ. */
  readonly agree: () => Promise<void>;
  /** Whether the settings speak of a cluster. */
  readonly isCluster: boolean;
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
export async function reachStore(options: ReachStoreOptions): Promise<void> {
  const { problem, lifecycle, clock, log, signal } = options;
  let said: string | undefined;
  for (;;) {
    signal.throwIfAborted();
    const error = await attempt(options);
    if (error === undefined) return;
    if (problem.isRefusal) throw unsupported("UNSTALE_VALKEY_REFUSED", refused(problem.last));
    const reason = problem.last ?? reasonOf(error);
    lifecycle.unmet("valkey", reason);
    if (reason !== said) log.warn({ reason }, "waiting for Valkey");
    said = reason;
    await clock.sleep(everyMs, signal);
  }
}

/** Resolves to an error that waiting may mend; throws any other. */
async function attempt({ store, agree, isCluster, lifecycle, log }: ReachStoreOptions): Promise<Error | undefined> {
  try {
    const info = await store.serverInfo();
    const unfit = serverProblem(info, isCluster);
    if (unfit !== undefined) throw unsupported("UNSTALE_VALKEY_UNSUPPORTED", unfit);
    await agree();
    lifecycle.met("valkey", "answers");
    const { product, version, replicas, primaries } = info;
    log.info({ server: `${product} ${version}`, replicas, primaries }, "reached the cache");
    return undefined;
  } catch (error) {
    if (isUnstaleError(error) && error.retryable) return error;
    throw error;
  }
}

function refused(reply: string | undefined): string {
  return `Valkey refused this user: ${reply}. Correct user and password (UNSTALE_VALKEY_URL, _USERNAME, _PASSWORD), or the server's ACL.`;
}
