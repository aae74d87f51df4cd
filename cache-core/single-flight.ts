/**
 * Several callers, one answer: who may take what another caller's fill made (I9).
 *
 * A **flight** is one caller's way to an answer: it gathers (waits for its turn), fills, commits, and ends. Callers arrive
 * one after another and are numbered. A later caller may have come because of a change that the answer does not know of,
 * so each outcome says how many of the first arrivals may take it:
 *
 * - *written*: those who had arrived **before the commit was sent**. The commit checks that no source changed since the
 *   lease, so at the moment it ran, the answer was true, and that moment lies after their arrival. A caller who comes
 *   between the execution of the commit and its reply may come after this: commit executes, document changes, change is
 *   acknowledged, caller asks. The reply would hand it the old text. Hence the flight closes when the commit is *sent*;
 *   whoever comes later reads the entry, and the fence judges it.
 * - *found* (the flight's own verified read was a hit): those who had arrived before that read was sent, for the same reason.
 * - *refused*: only the first, whose fill it was. The others go again, each under a lease of its own.
 * - *not to be cached, or not possible*: those who had arrived **before the fill began**. It read every source after they
 *   asked, so it is as good as a fill of their own, and an outage does not multiply the fills of a hot query. Whoever came
 *   while it filled may know of a change that it read past, and goes again.
 *
 * After a refusal the flight fills a second time, under a new lease; all who wait by then may take that if it is written.
 */
export class Flight<T> {
  readonly #end: (landing: Landing<T>) => void;
  readonly #landing: Promise<Landing<T>>;
  readonly #aborter = new AbortController();
  #arrivals = 0;
  #present = 0;
  #filledSince: number | undefined;
  #ended = false;
  /** Whether nothing that a caller inside another fill may hold stands between this flight and its fill. */
  hasTurn = false;

  constructor() {
    let end: (landing: Landing<T>) => void = () => undefined;
    this.#landing = new Promise((resolve) => {
      end = resolve;
    });
    this.#end = end;
  }

  /** Aborted when nobody waits for the answer any more. */
  get signal(): AbortSignal {
    return this.#aborter.signal;
  }

  /** How many arrived so far. Take it right before a step is sent, and land with it if the step proves the answer. */
  get arrivals(): number {
    return this.#arrivals;
  }

  /** No fill is under way: whoever arrives now shares whatever the next fill gives. */
  get gathering(): boolean {
    return this.#filledSince === undefined;
  }

  /** When the fill under way began: it knows of everything that happened before. */
  get filledSince(): number | undefined {
    return this.#filledSince;
  }

  arrive(): Seat<T> {
    const place = this.#arrivals;
    this.#arrivals += 1;
    this.#present += 1;
    let seated = true;
    return {
      outcome: this.#landing.then(({ outcome, takers }) => (place < takers ? outcome : "again")),
      leave: () => {
        if (!seated) return;
        seated = false;
        this.#present -= 1;
        if (this.#present === 0 && !this.#ended)
          this.#aborter.abort(new Error("Nobody waits for this answer any more."));
      },
    };
  }

  /** A fill begins. Returns how many share it, whatever becomes of it. */
  begin(now: number): number {
    this.#filledSince = now;
    return this.#arrivals;
  }

  /** The fill was refused, and another one will be begun. */
  regather(): void {
    this.#filledSince = undefined;
  }

  /** The first `takers` arrivals get the outcome, the others are told to go again. */
  land(outcome: T, takers: number): void {
    this.#ended = true;
    this.#end({ outcome, takers });
  }

  abort(reason: unknown): void {
    this.#aborter.abort(reason);
  }
}

interface Landing<T> {
  readonly outcome: T;
  readonly takers: number;
}

/** One caller's place in a flight. */
export interface Seat<T> {
  /** Never rejects. */
  readonly outcome: Promise<T | "again">;
  /** This caller does not wait any longer. Idempotent. */
  leave(): void;
}

/** The flights that callers may still join, by what they answer. */
export class Flights<T> {
  readonly #open = new Map<string, Flight<T>>();

  get(subject: string): Flight<T> | undefined {
    return this.#open.get(subject);
  }

  /** Later callers find this flight; one that is there already is left to those who are in it. */
  open(subject: string, flight: Flight<T>): void {
    this.#open.set(subject, flight);
  }

  /** A flight that closed for its commit takes callers again, unless another one took its place. */
  reopen(subject: string, flight: Flight<T>): void {
    if (!this.#open.has(subject)) this.#open.set(subject, flight);
  }

  close(subject: string, flight: Flight<T>): void {
    if (this.#open.get(subject) === flight) this.#open.delete(subject);
  }
}
