import type { Partition, SourceNotice } from "../consumers/change-source.ts";
import { reasonOf } from "./errors.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";
import type { WorkerMetrics } from "./metrics.ts";

/** What the source says of itself, as log lines, metrics and conditions. */
export interface Notices {
  onNotice(notice: SourceNotice): void;
  /** The source was told where to go on with them: whatever they waited for is over. */
  onBegun(partitions: readonly Partition[]): void;
  onRevoked(partitions: readonly Partition[]): void;
  /** Partitions that wait for something. */
  readonly paused: number;
}

export interface NoticesOptions {
  readonly lifecycle: Pick<Lifecycle, "met" | "unmet" | "happen">;
  readonly metrics: WorkerMetrics;
  readonly log: Logger;
  readonly onFailed: (error: Error) => void;
}

type Handler<Kind extends SourceNotice["kind"]> = (notice: Extract<SourceNotice, { kind: Kind }>) => void;
type Handlers = { readonly [Kind in SourceNotice["kind"]]: Handler<Kind> };

export function createNotices({ lifecycle, metrics, log, onFailed }: NoticesOptions): Notices {
  const paused = new Map<string, string>();
  const begun = new Set<string>();

  const judgePaused = (): void => {
    const first = [...paused.values()][0];
    if (first === undefined) lifecycle.met("partitions", "none is paused");
    else lifecycle.unmet("partitions", `${paused.size} paused, the first because ${first}`);
  };

  const handlers: Handlers = {
    joined: ({ partitions }) => {
      const owned = new Set(partitions.map(nameOf));
      for (const name of paused.keys()) if (!owned.has(name)) paused.delete(name);
      lifecycle.met("kafka", `in the group with ${partitions.length} partitions`);
      // Where the new ones begin is asked next; if the answer is slow in coming, they are paused and say why.
      if ([...owned].every((name) => begun.has(name))) judgePaused();
      log.info({ partitions: [...owned] }, "joined the group");
    },
    rebalancing: () => log.debug({}, "the group hands out its partitions anew"),
    left: () => {
      paused.clear();
      lifecycle.unmet("kafka", "left the group");
    },
    disconnected: ({ error }) => {
      lifecycle.unmet("kafka", reasonOf(error));
      log.warn({ err: error }, "lost Kafka");
    },
    reconnected: () => {
      lifecycle.met("kafka", "answers again");
      log.info({}, "Kafka answers again");
    },
    restarting: ({ error, afterMs, attempt }) => {
      lifecycle.unmet("kafka", `restarting after: ${reasonOf(error)}`);
      log.warn({ err: error, afterMs, attempt }, "the consumer crashed and is built anew");
    },
    failed: ({ error }) => {
      log.fatal({ err: error }, "the consumer does not come back; the process must be replaced");
      lifecycle.happen("fail", reasonOf(error));
      onFailed(error);
    },
    waiting: ({ reason }) => {
      lifecycle.unmet("kafka", reason);
      log.warn({ reason }, "waiting for Kafka");
    },
    paused: ({ partition, reason, forMs }) => {
      paused.set(nameOf(partition), reason);
      judgePaused();
      log.debug({ ...partition, reason, forMs }, "partition paused");
    },
    resumed: ({ partition }) => {
      paused.delete(nameOf(partition));
      judgePaused();
    },
    committed: ({ offsets }) => log.trace({ offsets }, "committed"),
    // Counted and logged by the answer to it.
    gap: () => undefined,
    stalled: ({ partition, offset }) =>
      log.warn({ ...partition, offset }, "nothing can be read at this offset; probing"),
    "dead-letter": ({ partition, offset, reason, detail }) => {
      metrics.add("deadLetters", { topic: partition.topic, reason });
      metrics.add("records", { topic: partition.topic, outcome: "dead-lettered" });
      log.warn({ ...partition, offset, reason, detail }, "a record cannot be read; sent to the dead letters");
    },
  };

  return {
    // The table is total over the kinds, so the handler fits its notice.
    onNotice: (notice) => (handlers[notice.kind] as Handler<SourceNotice["kind"]>)(notice),
    onBegun: (partitions) => {
      for (const name of partitions.map(nameOf)) {
        begun.add(name);
        paused.delete(name);
      }
      judgePaused();
    },
    onRevoked: (partitions) => {
      for (const name of partitions.map(nameOf)) {
        begun.delete(name);
        paused.delete(name);
      }
    },
    get paused() {
      return paused.size;
    },
  };
}

function nameOf({ topic, partition }: Partition): string {
  return `${topic}/${partition}`;
}
