/** A slice that was handed out and has not settled yet. */
export interface Ticket {
  readonly first: bigint;
  readonly next: bigint;
}

/**
 * Which offset of a partition may be committed. Slices begin in order and settle in any order; the watermark is the end
 * of the contiguous run of settled ones. Holes between slices (compacted records, transaction markers) belong to the slice
 * after them. Pure: no Kafka, no time.
 */
export class OffsetTracker {
  #queue: { readonly ticket: Ticket; settled: boolean }[] = [];
  #position: bigint;
  #watermark: bigint;

  constructor(start: bigint) {
    this.#position = start;
    this.#watermark = start;
  }

  /** The next offset that will be handed out. */
  get position(): bigint {
    return this.#position;
  }

  /** All offsets below are settled. */
  get watermark(): bigint {
    return this.#watermark;
  }

  get unsettled(): number {
    return this.#queue.reduce((count, entry) => (entry.settled ? count : count + 1), 0);
  }

  /** Slices that hold the watermark back: unsettled ones, and those behind an unsettled one. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** @throws RangeError when the slice does not come after those begun before: a bug of the caller. */
  begin(first: bigint, next: bigint): Ticket {
    if (first < this.#position || next <= first) {
      throw new RangeError(`Expected a slice from ${this.#position} on, got ${first} to ${next}`);
    }
    const ticket = { first, next };
    this.#queue.push({ ticket, settled: false });
    this.#position = next;
    return ticket;
  }

  /** Whether the watermark moved. A ticket from before a `reset` moves nothing. */
  settle(ticket: Ticket): boolean {
    const entry = this.#queue.find((candidate) => candidate.ticket === ticket);
    if (entry === undefined) return false;
    entry.settled = true;
    const before = this.#watermark;
    while (this.#queue[0]?.settled === true) {
      this.#watermark = this.#queue[0].ticket.next;
      this.#queue.shift();
    }
    return this.#watermark !== before;
  }

  /** Whether the ticket is still waited for. */
  holds(ticket: Ticket): boolean {
    return this.#queue.some((entry) => entry.ticket === ticket && !entry.settled);
  }

  /** Passes over offsets that hold no record. They are committed with the slice that follows. */
  skipTo(offset: bigint): void {
    if (offset > this.#position) this.#position = offset;
  }

  /** Begins anew at an offset, lower or higher; whatever was under way is forgotten. */
  reset(offset: bigint): void {
    this.#queue = [];
    this.#position = offset;
    this.#watermark = offset;
  }
}
