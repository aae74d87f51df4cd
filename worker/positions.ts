import type { Partition } from "../consumers/change-source.ts";

/** The offset up to which this worker applied a partition, and which of its stretches of ownership that belongs to. */
export interface Position extends Partition {
  readonly offset: number;
  /** Everything below was applied before, here or by another worker: what is delivered of it is a repetition. */
  readonly seen: number;
  /** Raised whenever the position was set from outside, so that a late reply of an earlier stretch changes nothing. */
  readonly epoch: number;
}

/** Positions of the partitions that are ours: what `previous` of an invalidation says. */
export interface Positions {
  get(partition: Partition): Position | undefined;
  /** Begins a stretch: after an assignment, a rewind, a gap. Default of `seen`: the offset. */
  begin(partition: Partition, offset: number, seen?: number): void;
  /** Moves forward within the stretch of `since`; never back. */
  advance(since: Position, offset: number): void;
  forget(partition: Partition): void;
  all(): readonly Position[];
}

export function createPositions(): Positions {
  const positions = new Map<string, Position>();
  let epochs = 0;
  const nameOf = ({ topic, partition }: Partition): string => `${topic}/${partition}`;
  return {
    get: (partition) => positions.get(nameOf(partition)),
    begin: ({ topic, partition }, offset, seen = offset) => {
      epochs += 1;
      positions.set(nameOf({ topic, partition }), { topic, partition, offset, seen, epoch: epochs });
    },
    advance: (since, offset) => {
      const now = positions.get(nameOf(since));
      if (now?.epoch === since.epoch && offset > now.offset) {
        positions.set(nameOf(since), { ...now, offset, seen: Math.max(now.seen, offset) });
      }
    },
    forget: (partition) => {
      positions.delete(nameOf(partition));
    },
    all: () => [...positions.values()],
  };
}
