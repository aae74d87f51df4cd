import type { Clock } from "./clock.ts";
import { cacheError } from "./errors.ts";

interface Pending {
  readonly until: number;
  /** Absent once the work has ended. */
  expire: (() => void) | undefined;
}

/** Aborting with a reason of our own saves the making of an error, stack trace and all, for each call. */
const disarmed = Symbol("disarmed");

/**
 * Bounds the time of many works by one timer: all of one deadline have the same time, so they expire in the order in which
 * they began, and the timer is for the oldest that has not ended. It runs only while there is one.
 */
export class Deadline {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #pending: Pending[] = [];
  #timer: AbortController | undefined;

  constructor(options: { readonly clock: Clock; readonly ms: number }) {
    this.#clock = options.clock;
    this.#ms = options.ms;
  }

  /**
   * What `work` resolves to, unless it takes too long: then rejects with `UNSTALE_VALKEY_UNAVAILABLE`. The work is not
   * undone: its outcome is unknown, and nobody waits for it any more.
   */
  bound<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const pending: Pending = { until: this.#clock.now() + this.#ms, expire: () => reject(this.#late()) };
      this.#pending.push(pending);
      this.#timer ??= this.#arm();
      const end = (): void => {
        pending.expire = undefined;
        this.#forgetEnded();
      };
      work().then(
        (value) => {
          end();
          resolve(value);
        },
        (error) => {
          end();
          reject(error);
        },
      );
    });
  }

  #arm(): AbortController {
    const timer = new AbortController();
    void this.#watch(timer.signal);
    return timer;
  }

  async #watch(signal: AbortSignal): Promise<void> {
    for (let oldest = this.#pending[0]; oldest; oldest = this.#pending[0]) {
      try {
        await this.#clock.sleep(Math.max(0, oldest.until - this.#clock.now()), signal);
      } catch {
        // Disarmed: nothing is pending.
        return;
      }
      const now = this.#clock.now();
      while (this.#pending[0] && this.#pending[0].until <= now) this.#pending.shift()?.expire?.();
      this.#forgetEnded();
    }
  }

  #forgetEnded(): void {
    while (this.#pending[0] && !this.#pending[0].expire) this.#pending.shift();
    if (this.#pending.length > 0) return;
    this.#timer?.abort(disarmed);
    this.#timer = undefined;
  }

  #late(): Error {
    return cacheError("UNSTALE_VALKEY_UNAVAILABLE", `Valkey did not answer within ${this.#ms} ms.`);
  }
}
