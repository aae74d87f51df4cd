// Counts stale answers. It knows what every page said and when, because it was told of each save, and when each side
// acknowledged the change, because it reads the offsets that both consumer groups commit to Kafka. It shares no code with
// either side and does not ask them. An answer is stale when the change that contradicts it was acknowledged before the
// question was asked.
import { type Side, sides } from "./panes.ts";

export interface LogPosition {
  readonly partition: number;
  readonly offset: bigint;
}

/** One state of a page: a fact that no other state has, such as its price. */
interface Revision {
  readonly fact: string;
  readonly savedAt: number;
  position: LogPosition | undefined;
  readonly acknowledgedAt: Partial<Record<Side, number>>;
}

export type Verdict = "current" | "stale" | "not yet acknowledged";

export interface Judge {
  /** The page says this from now on. The first call for a page is what it said at the start. */
  saved(page: string, fact: string, at: number): void;
  /** The event for everything that was saved of this page so far is in the log. */
  published(page: string, position: LogPosition): void;
  /** A side has committed this offset: everything before it is done. */
  committed(side: Side, position: LogPosition, at: number): void;
  judge(side: Side, asked: { readonly page: string; readonly answer: string; readonly askedAt: number }): Verdict;
  /** Whether everything that was saved has been acknowledged by both sides. */
  settled(): boolean;
  readonly tally: Readonly<Record<Side, { readonly answers: number; readonly stale: number }>>;
}

export function createJudge(): Judge {
  const pages = new Map<string, Revision[]>();
  const tally = { plain: { answers: 0, stale: 0 }, unstale: { answers: 0, stale: 0 } };
  const latest: Record<Side, Map<number, { readonly offset: bigint; readonly at: number }>> = {
    plain: new Map(),
    unstale: new Map(),
  };
  const revisionsOf = (page: string): Revision[] => {
    const revisions = pages.get(page) ?? [];
    pages.set(page, revisions);
    return revisions;
  };

  return {
    tally,
    saved(page, fact, at) {
      const first = revisionsOf(page).length === 0;
      const acknowledgedAt = first ? Object.fromEntries(sides.map((side) => [side, at])) : {};
      revisionsOf(page).push({ fact, savedAt: at, position: undefined, acknowledgedAt });
    },
    published(page, position) {
      for (const revision of revisionsOf(page)) {
        if (revision.position) continue;
        revision.position = position;
        // A worker may be done before the publisher hears that its event was taken.
        for (const side of sides) {
          const committed = latest[side].get(position.partition);
          if (committed && position.offset < committed.offset) revision.acknowledgedAt[side] ??= committed.at;
        }
      }
    },
    committed(side, { partition, offset }, at) {
      latest[side].set(partition, { offset, at });
      for (const { position, acknowledgedAt } of [...pages.values()].flat()) {
        if (position?.partition === partition && position.offset < offset) acknowledgedAt[side] ??= at;
      }
    },
    settled: () =>
      [...pages.values()]
        .flat()
        .every(({ acknowledgedAt }) => sides.every((side) => acknowledgedAt[side] !== undefined)),
    judge(side, { page, answer, askedAt }) {
      tally[side].answers += 1;
      const revisions = revisionsOf(page);
      const told = revisions.findLastIndex(({ fact }) => answer.includes(fact));
      const newer = revisions.slice(told + 1);
      if (newer.length === 0) return "current";
      const overdue = newer.some(({ acknowledgedAt }) => (acknowledgedAt[side] ?? Number.POSITIVE_INFINITY) < askedAt);
      if (!overdue) return "not yet acknowledged";
      tally[side].stale += 1;
      return "stale";
    },
  };
}

/** The value below which the given share of the numbers lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
