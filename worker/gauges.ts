import type { Invalidator } from "@unstale/cache-core";
import type { PartitionLag } from "../consumers/change-source.ts";
import type { Freshness } from "./freshness.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { WorkerMetrics } from "./metrics.ts";
import type { Notices } from "./notices.ts";

/** Connects what is looked at when metrics are scraped. */
export interface GaugeSources {
  readonly metrics: WorkerMetrics;
  /** Partitions owned now. */
  readonly owned: () => number;
  readonly invalidator: Pick<Invalidator, "draining">;
  readonly heartbeat: Pick<Heartbeat, "standing">;
  readonly freshness: Pick<Freshness, "ages">;
  readonly notices: Pick<Notices, "paused">;
  readonly lifecycle: Pick<Lifecycle, "state">;
  /** As it was last asked for. */
  readonly lag: () => readonly PartitionLag[];
}

export function observeGauges({
  metrics,
  owned,
  invalidator,
  heartbeat,
  freshness,
  notices,
  lifecycle,
  lag,
}: GaugeSources): void {
  metrics.observe("drains", () => [{ value: invalidator.draining }]);
  metrics.observe("ready", () => [{ value: lifecycle.state === "running" ? 1 : 0 }]);
  metrics.observe("partitions", () => [
    { value: owned(), attributes: { state: "owned" } },
    { value: notices.paused, attributes: { state: "paused" } },
  ]);
  metrics.observe("lag", () =>
    lag().map(({ topic, partition, lag: records }) => ({ value: Number(records), attributes: { topic, partition } })),
  );
  metrics.observe("fences", () =>
    heartbeat.standing.map(({ bucket, fences }) => ({ value: fences, attributes: { bucket } })),
  );
  metrics.observe("freshnessAge", () =>
    freshness.ages().map(({ bucket, ms }) => ({ value: ms / 1_000, attributes: { bucket } })),
  );
  metrics.observe("floorAge", () =>
    heartbeat.standing.map(({ bucket, floorAgeMs }) => ({ value: floorAgeMs / 1_000, attributes: { bucket } })),
  );
}
