import type { Image } from "./image.ts";
import { imageKey } from "./image.ts";
import type { Truth } from "./truth.ts";
import { published } from "./truth.ts";
import type { Hazard, Mishap } from "./world.ts";

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

/** The TTL of a key ends before that of others. Like an eviction, except that only entries and index have one. */
export const expiry: Hazard = {
  budget: "expire",
  moves: (truth, { slots }) =>
    [...slots]
      .filter(([, { expiresAt }]) => expiresAt !== undefined)
      .map(([key]) => ({ label: `expire ${key}`, command: { name: "DEL", keys: [key] }, truth: disturbed(truth) })),
};

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
    moves: (truth) => [
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

/** The server comes back with what it saved once: the same data as after a failover. */
export const restore: Hazard = {
  budget: "restore",
  moves: (truth): Mishap[] => [
    {
      label: "restore",
      image: truth.replica.image,
      truth: { ...fallenBack(truth), replicationId: truth.replicationId + 1 },
    },
  ],
};

function fallenBack(truth: Truth): Truth {
  const { lineage, replica, lost } = truth;
  return {
    ...truth,
    disturbed: true,
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
        truth: { ...truth, logs: { ...truth.logs, [partition]: { low: 0, events: [] } } },
      },
    ],
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
