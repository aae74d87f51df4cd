/** An event that Kafka acknowledged. `filled`: an entry was cached that depends on its document, and on nothing else. */
export interface LedgerEvent {
  readonly id: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** When Kafka acknowledged it. */
  readonly at: number;
}

/** A stretch of a partition that a worker said it applied. */
export interface AppliedSlice {
  readonly topic: string;
  readonly partition: number;
  readonly first: number;
  readonly next: number;
  readonly at: number;
}

export interface Account {
  /** Applications of an event beyond its first. */
  readonly duplicates: number;
  readonly stalestMs: number | undefined;
}

/** Compares what was sent with what workers said they applied. Pure. */
export function account(events: readonly LedgerEvent[], slices: readonly AppliedSlice[]): Account {
  const byPartition = new Map<string, { readonly event: LedgerEvent; times: number; first: number | undefined }[]>();
  for (const event of events) {
    const name = `${event.topic}/${event.partition}`;
    const known = byPartition.get(name) ?? [];
    known.push({ event, times: 0, first: undefined });
    byPartition.set(name, known);
  }
  for (const known of byPartition.values()) known.sort((a, b) => a.event.offset - b.event.offset);
  for (const slice of slices) {
    const known = byPartition.get(`${slice.topic}/${slice.partition}`) ?? [];
    for (let at = firstFrom(known, slice.first); at < known.length; at += 1) {
      const one = known[at];
      if (one === undefined || one.event.offset >= slice.next) break;
      one.times += 1;
      one.first = Math.min(one.first ?? slice.at, slice.at);
    }
  }
  const all = [...byPartition.values()].flat();
  const ages = all.flatMap(({ event, first }) => (first === undefined ? [] : [Math.max(0, first - event.at)]));
  return {
    duplicates: all.reduce((sum, { times }) => sum + Math.max(0, times - 1), 0),
    stalestMs: ages.length === 0 ? undefined : ages.reduce((a, b) => Math.max(a, b)),
  };
}

/** The index of the first event at or after the offset. */
function firstFrom(known: readonly { readonly event: LedgerEvent }[], offset: number): number {
  let [low, high] = [0, known.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((known[middle]?.event.offset ?? 0) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
