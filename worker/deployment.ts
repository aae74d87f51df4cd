import { type CacheStore, DeploymentCheck, inEveryBucket, proposeDeployment } from "@unstale/cache-core";
import type { Config } from "../config/index.ts";

import { unsupported, workerError } from "./errors.ts";
import { type LayoutSettings, layoutOf } from "./layout.ts";

import { formatTooNew } from "./widening.ts";

/** Agreement with all other programs on the same Valkey (`unstale:config`). */
export interface Deployment {
  /**
   * Writes the record if there is none.
   * @throws UnstaleError `UNSTALE_CONFIG_MISMATCH` naming both values, `UNSTALE_FORMAT_TOO_NEW`, or what the store throws
   */
  agree(): Promise<void>;
  /**
   * The record may be gone with other state: asks again, and writes it anew with the id that it had.
   * @throws UnstaleError as `agree`, and `UNSTALE_DEPLOYMENT_REPLACED` where somebody else has written one with another id
   */
  renew(): Promise<void>;
  /** Known once agreed. */
  readonly id: string | undefined;
}

export function createDeployment(
  store: CacheStore,
  settings: LayoutSettings & Pick<Config, "kafkaGroupId">,
): Deployment {
  const { layout, foreignWriters } = layoutOf(settings);
  const ours = proposeDeployment({ layout, foreignWriters, group: settings.kafkaGroupId });
  const check = new DeploymentCheck({ store, ours });
  const agree = async (): Promise<void> => {
    await check.agree();
    const states = await inEveryBucket(layout.buckets, (bucket) => store.heartbeat({ bucket, partitions: [] }));
    if (states.some(({ kind }) => kind === "format")) throw unsupported("UNSTALE_FORMAT_TOO_NEW", formatTooNew);
  };
  return {
    agree,
    renew: async () => {
      const before = check.id;
      check.forget();
      await agree();
      if (before === undefined || before === check.id) return;
      throw workerError(
        "UNSTALE_DEPLOYMENT_REPLACED",
        `Valkey lost its state, and its deployment is another one now: ${check.id} instead of ${before}. ` +
          "Start this worker again: it takes over what the group committed, and invalidates everything first.",
      );
    },
    get id() {
      return check.id;
    },
  };
}
