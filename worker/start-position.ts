/** What is known of a partition when it becomes ours. */
export interface PartitionHistory {
  /** What the group has committed. */
  readonly committed?: bigint | undefined;
  /** First offset that is still there, and the one that the next record will get. */
  readonly low: bigint;
  readonly end: bigint;
  /** What Valkey says was applied, for each bucket; absent where it knows nothing. At least one. */
  readonly applied: readonly (number | undefined)[];
  /** Where a partition begins is committed before anything of it is read: having nothing committed is a loss. */
  readonly marksStart?: boolean | undefined;
}

/**
 * - `resumed`: Valkey knows at least what was committed; go on from there.
 * - `rolled-back`: Valkey fell back behind what was committed (I5); replay from what it knows.
 * - `new`: nothing was ever committed or applied; from the beginning.
 * - `forgotten`: something was applied, but the group's offsets are gone (expired, reset): the log may be another one.
 * - `lost`: something was committed, but Valkey does not know the partition any more (H7).
 * - `expired`: events that were never applied are no longer in the log.
 * - `recreated`: the log ends before what was applied or committed: it is another log, or was cut (H8).
 */
export type StartReason = "resumed" | "rolled-back" | "new" | "forgotten" | "lost" | "expired" | "recreated";

export interface StartDecision {
  readonly offset: bigint;
  readonly reason: StartReason;
  /** The offset that would have been next, had nothing been lost. */
  readonly from: bigint;
  /** Events may be missing that cannot be replayed: make what they may have changed unservable first. */
  readonly barrier: boolean;
  /** Write the offset as applied, and see to it that a replica has it, before anything is delivered (H22). */
  readonly attach: boolean;
}

/**
 * Where to begin, so that no event is passed over in silence: everything from the least applied offset on is read again,
 * or a barrier stands for it. Decides from the top; the first line that fits holds.
 *
 * | committed | applied | log | begin at | barrier | attach |
 * |---|---|---|---|---|---|
 * | any | any | ends before either | low | yes | yes |
 * | none | nowhere | | low | no | yes |
 * | none | somewhere | | low | unless all say low, and starts are not committed | yes |
 * | 0 | unknown in a bucket | begins at 0 | low | no | yes |
 * | yes | unknown in a bucket | | the later of committed and low | yes | yes |
 * | yes | least below low | begins after it | low | yes | yes |
 * | yes | yes | | the least of committed and applied, but not before low | no | no |
 */
export function decideStart({ committed, low, end, applied, marksStart = false }: PartitionHistory): StartDecision {
  const known = applied.filter((offset) => offset !== undefined).map(BigInt);
  const highest = known.reduce(later, 0n);
  const least = known.reduce(earlier, highest);
  const widened = { barrier: true, attach: true } as const;

  if (highest > end || (committed ?? 0n) > end) {
    return { offset: low, from: later(highest, committed ?? 0n), reason: "recreated", ...widened };
  }
  if (committed === undefined) {
    if (known.length === 0) return { offset: low, from: low, reason: "new", barrier: false, attach: true };
    const untouched = !marksStart && known.length === applied.length && known.every((offset) => offset === low);
    return { offset: low, from: least, reason: "forgotten", barrier: !untouched, attach: true };
  }
  if (known.length < applied.length) {
    if (committed === 0n && low === 0n && known.length === 0) {
      return { offset: low, from: low, reason: "new", barrier: false, attach: true };
    }
    return { offset: later(committed, low), from: committed, reason: "lost", ...widened };
  }
  if (least < low) return { offset: low, from: least, reason: "expired", ...widened };
  const reason = least < committed ? "rolled-back" : "resumed";
  // Committed below low, but applied beyond it: what fell out of the log had been applied.
  const offset = later(earlier(least, committed), low);
  return { offset, from: offset, reason, barrier: false, attach: false };
}

// Math.max and Math.min take no bigint.
function later(one: bigint, other: bigint): bigint {
  if (one > other) return one;
  return other;
}

function earlier(one: bigint, other: bigint): bigint {
  if (one < other) return one;
  return other;
}
