import type { Image } from "./image.ts";
import type { Content } from "./step.ts";

/**
 * What is true of a world outside the store: the source's documents, the log, what was acknowledged. Never changed in
 * place. Sets of changes are bit masks over the numbers of changes.
 */
export interface Truth {
  /** The server's time in microseconds. */
  readonly now: number;
  readonly replicationId: number;
  /** Nonces that found their way into the store. */
  readonly nonces: number;
  /** Document → version; `@` + namespace → generation. */
  readonly documents: Content;
  readonly changes: readonly Change[];
  readonly logs: Readonly<Record<string, Log>>;
  /** Changes whose end the world was told. */
  readonly acknowledged: number;
  /** By bucket: changes whose barrier ran, but is lost since a failover, until somebody could know. */
  readonly lost: readonly number[];
  readonly lineage: Lineage;
  /** What a promotion would bring back. */
  readonly replica: Replica;
  readonly budgets: Readonly<Record<string, number>>;
  /** Something deleted keys behind the protocol's back: plain readers are promised nothing any more. */
  readonly disturbed: boolean;
  /** Changes whose barrier ran before a failover: what was deleted for them may be back, plain readers must wait until all is repaired. */
  readonly fellBack: number;
  /** A topic is another one, and the account that the store keeps of it is not replicated yet: a failover now is not promised for. */
  readonly unaccounted: boolean;
}

export interface Change {
  readonly partition?: string;
  readonly offset?: number;
  /** Of an event: the server's time at which it was in the log. */
  readonly at?: number;
  /** What content must have at least to know of it. */
  readonly requires: Content;
}

export interface Log {
  /** Which topic of this name it is. A source that notices another one says that everything before is lost. */
  readonly epoch: number;
  readonly low: number;
  /** Numbers of changes; the first has offset `low`. */
  readonly events: readonly number[];
  readonly committed?: number;
}

/** What is true of the store's present contents, and falls back with them. */
export interface Lineage {
  /** By bucket: changes whose barrier ran. */
  readonly barriered: readonly number[];
  /** Keys that were written without a lease → changes that they need not know of: their barrier ran before the last write. */
  readonly tainted: Readonly<Record<string, number>>;
}

export interface Replica {
  readonly image: Image;
  readonly key: string;
  readonly lineage: Lineage;
}

/** Changes that `content` does not know of. */
export function unknownTo(content: Content, changes: readonly Change[]): number {
  let mask = 0;
  for (const [index, { requires }] of changes.entries()) {
    for (const name in requires) {
      const seen = content[name];
      if (seen !== undefined && seen < (requires[name] ?? 0)) mask |= 1 << index;
    }
  }
  return mask;
}

export function published(truth: Truth): number {
  return (1 << truth.changes.length) - 1;
}

/** Changes that no verified read of this bucket may be ignorant of. */
export function promised(truth: Truth, bucket: number): number {
  return truth.acknowledged & ~(truth.lost[bucket] ?? 0);
}

export function replaceAt<T>(list: readonly T[], index: number, value: T): readonly T[] {
  return list.map((item, at) => (at === index ? value : item));
}

export function withBarrier(truth: Truth, bucket: number, mask: number): Truth {
  const { lineage, lost } = truth;
  const barriered = replaceAt(lineage.barriered, bucket, (lineage.barriered[bucket] ?? 0) | mask);
  return {
    ...truth,
    lineage: { ...lineage, barriered },
    lost: replaceAt(lost, bucket, (lost[bucket] ?? 0) & ~mask),
  };
}

const keys = new WeakMap<Truth, string>();

/** Two truths of one key say the same. */
export function truthKey(truth: Truth): string {
  const known = keys.get(truth);
  if (known !== undefined) return known;
  const { replica, ...rest } = truth;
  const key = JSON.stringify([rest, replica.lineage, replica.key]);
  keys.set(truth, key);
  return key;
}
