import type { Image } from "./image.ts";
import { imageKey } from "./image.ts";
import type { Truth } from "./truth.ts";
import { published } from "./truth.ts";
import type { Hazard } from "./world.ts";

const disturbed = (truth: Truth): Truth => ({ ...truth, disturbed: true });

/** The memory is full: any key may go, one at a time. `spared` says which may not. */
export function eviction(spared: (key: string) => boolean = () => false): Hazard {
  return {
    budget: "evict",
    moves: (truth, { slots }) =>
      [...slots.keys()]
        .filter((key) => !spared(key))
        .map((key) => ({ label: `evict ${key}`, command: { name: "DEL", keys: [key] }, truth: disturbed(truth) })),
  };
}

export const flush: Hazard = {
  budget: "flush",
  moves: (truth) => [{ label: "flush", command: { name: "FLUSHDB" }, truth: disturbed(truth) }],
};

/** The clock of the server is set, in microseconds. */
export function clockJump(...by: readonly number[]): Hazard {
  return {
    budget: "jump",
    moves: (truth) => by.map((leap) => ({ label: `clock ${leap}`, truth: { ...truth, now: truth.now + leap } })),
  };
}

/** The replica catches up. What comes later is lost in a failover. */
export const replication: Hazard = {
  budget: "replicate",
  moves: (truth, image) => [{ label: "replicate", truth: replicated(truth, image) }],
};

function replicated(truth: Truth, image: Image): Truth {
  return { ...truth, replica: { image, key: imageKey(image), lineage: truth.lineage } };
}

/**
 * The replica is promoted: older data, another replication id, maybe a clock that is behind. What the worker was told
 * to be done and is not there any more is not promised until somebody could know.
 */
export function failover({ clock = 0 }: { readonly clock?: number } = {}): Hazard {
  return {
    budget: "failover",
    moves: (truth) =>
      truth.unaccounted
        ? []
        : [
            {
              label: "failover",
              image: truth.replica.image,
              truth: {
                ...fallenBack(truth),
                replicationId: truth.replicationId + 1,
                now: truth.now + clock,
              },
            },
          ],
  };
}

function fallenBack(truth: Truth): Truth {
  const { lineage, replica, lost } = truth;
  return {
    ...truth,
    fellBack: lineage.barriered.reduce((all, mask) => all | mask, truth.fellBack),
    lineage: replica.lineage,
    lost: lost.map((mask, bucket) => {
      const [before, after] = [lineage.barriered[bucket] ?? 0, replica.lineage.barriered[bucket] ?? 0];
      return (mask | before) & ~after & published(truth);
    }),
  };
}

/** The topic is deleted and made again: offsets begin anew, the group has committed nothing. */
export function recreation(partition: string): Hazard {
  return {
    budget: "recreate",
    moves: (truth) => [
      {
        label: `recreate ${partition}`,
        truth: recreated(truth, partition),
      },
    ],
  };
}

function recreated(truth: Truth, partition: string): Truth {
  const epoch = (truth.logs[partition]?.epoch ?? 0) + 1;
  // What a failover lost, and nobody replayed before its log was deleted, is lost.
  const gone = truth.lost.reduce((all, mask) => all | mask, 0);
  return {
    ...truth,
    unaccounted: true,
    acknowledged: truth.acknowledged & ~gone,
    lost: truth.lost.map(() => 0),
    logs: { ...truth.logs, [partition]: { epoch, low: 0, events: [] } },
  };
}

/** The log forgets its oldest event, committed or not. */
export function retention(partition: string): Hazard {
  return {
    budget: "retention",
    moves: (truth) => {
      const log = truth.logs[partition];
      if (!log || log.events.length === 0) return [];
      const shorter = { ...log, low: log.low + 1, events: log.events.slice(1) };
      return [{ label: `forget ${partition}`, truth: { ...truth, logs: { ...truth.logs, [partition]: shorter } } }];
    },
  };
}
