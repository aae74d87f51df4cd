/** A command that has not ended, or has. */
export interface Waiting {
  readonly until: number;
  /** Absent once the command has ended. */
  expire: (() => void) | undefined;
}

/**
 * Bounds the time of commands, waiting for the connection included. All of them have the same time, so they expire in the
 * order in which they began, and one timer is enough: it is for the oldest that has not ended.
 */
export class Patience {
  readonly #ms: number;
  #queue: Waiting[] = [];
  /** Where the oldest is; those before it have ended. */
  #oldest = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number) {
    this.#ms = ms;
  }

  begin(expire: () => void): Waiting {
    const waiting: Waiting = { until: performance.now() + this.#ms, expire };
    this.#queue.push(waiting);
    this.#timer ??= setTimeout(() => this.#tick(), this.#ms);
    return waiting;
  }

  end(waiting: Waiting): void {
    waiting.expire = undefined;
    this.#forgetEnded();
  }

  expireAll(): void {
    for (const waiting of this.#queue.slice(this.#oldest)) {
      waiting.expire?.();
      waiting.expire = undefined;
    }
    this.#forgetEnded();
  }

  #tick(): void {
    const now = performance.now();
    for (let oldest = this.#queue[this.#oldest]; oldest && oldest.until <= now; oldest = this.#queue[this.#oldest]) {
      this.#oldest += 1;
      oldest.expire?.();
    }
    this.#timer = undefined;
    this.#forgetEnded();
    const next = this.#queue[this.#oldest];
    if (next) this.#timer = setTimeout(() => this.#tick(), next.until - now);
  }

  #forgetEnded(): void {
    const queue = this.#queue;
    while (this.#oldest < queue.length && queue[this.#oldest]?.expire === undefined) this.#oldest += 1;
    if (this.#oldest === queue.length) {
      this.#queue = [];
      this.#oldest = 0;
      clearTimeout(this.#timer);
      this.#timer = undefined;
    } else if (this.#oldest > 1_000 && this.#oldest * 2 > queue.length) {
      this.#queue = queue.slice(this.#oldest);
      this.#oldest = 0;
    }
  }
}
