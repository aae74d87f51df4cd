/** Gives a permit back. Calling it again does nothing. */
export type Release = () => void;

interface Waiter {
  readonly grant: () => void;
}

/** A bounded number of permits, handed out in the order of asking. */
export class Semaphore {
  readonly #waiting = new Set<Waiter>();
  #free: number;

  constructor(permits: number) {
    this.#free = permits;
  }

  /** How many wait for a permit. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** A permit at once, or none. Never overtakes those who wait. */
  tryAcquire(): Release | undefined {
    if (this.#free === 0) return undefined;
    this.#free -= 1;
    return this.#release();
  }

  /** Resolves to a permit, or rejects with the signal's reason: then the place in the queue is given up. */
  async acquire(signal?: AbortSignal): Promise<Release> {
    signal?.throwIfAborted();
    const permit = this.tryAcquire();
    if (permit) return permit;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.delete(waiter);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        grant: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve(this.#release());
        },
      };
      this.#waiting.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** A permit goes from hand to hand: it is free only while nobody waits, so `tryAcquire` cannot overtake. */
  #release(): Release {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const [next] = this.#waiting;
      if (!next) {
        this.#free += 1;
        return;
      }
      this.#waiting.delete(next);
      next.grant();
    };
  }
}
