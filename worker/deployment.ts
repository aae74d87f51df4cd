import { type CacheStore, DeploymentCheck, proposeDeployment } from "@unstale/cache-core";
import type { Config } from "../config/index.ts";
import { unsupported } from "./errors.ts";
import { formatTooNew } from "./widening.ts";

/** Agreement with all other programs on the same Valkey (`unstale:config`). */
export interface Deployment {
  /**
   * Writes the record if there is none.
   * @throws UnstaleError `UNSTALE_CONFIG_MISMATCH` naming both values, `UNSTALE_FORMAT_TOO_NEW`, or what the store throws
   */
  agree(): Promise<void>;
  /** The record may be gone: ask again. */
  forget(): void;
  /** Known once agreed. */
  readonly id: string | undefined;
}

type Settings = Pick<Config, "entryPrefix" | "dependencyPrefixes" | "foreignWriters" | "kafkaGroupId">;

export function createDeployment(store: CacheStore, settings: Settings): Deployment {
  const { entryPrefix, dependencyPrefixes, foreignWriters, kafkaGroupId } = settings;
  const layout = { entryPrefix, dependencyPrefixes, buckets: 1 };
  const check = new DeploymentCheck({
    store,
    ours: proposeDeployment({ layout, foreignWriters, group: kafkaGroupId }),
  });
  return {
    agree: async () => {
      await check.agree();
      const state = await store.heartbeat({ bucket: 0, partitions: [] });
      if (state.kind === "format") throw unsupported("UNSTALE_FORMAT_TOO_NEW", formatTooNew);
    },
    forget: () => check.forget(),
    get id() {
      return check.id;
    },
  };
}
