import { clusterBuckets, type KeyLayout } from "@unstale/cache-core";
import type { Config } from "../config/index.ts";

/** What all programs of a deployment have in common, as the settings and their defaults say together. */
export interface DeploymentLayout {
  readonly layout: KeyLayout;
  readonly foreignWriters: boolean;
  readonly isCluster: boolean;
}

export type LayoutSettings = Pick<
  Config,
  "valkeyUrl" | "valkeyCluster" | "valkeyBuckets" | "entryPrefix" | "dependencyPrefixes" | "foreignWriters"
>;

export function layoutOf(config: LayoutSettings): DeploymentLayout {
  const { valkeyUrl, valkeyCluster, valkeyBuckets, entryPrefix, dependencyPrefixes } = config;
  const isCluster = valkeyCluster || valkeyUrl.reveal().includes(",");
  const buckets = valkeyBuckets ?? (isCluster ? clusterBuckets : 1);
  return {
    layout: { entryPrefix, dependencyPrefixes, buckets },
    foreignWriters: config.foreignWriters ?? buckets === 1,
    isCluster,
  };
}
