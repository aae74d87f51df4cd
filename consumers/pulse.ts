/** Wakes whoever waits for "something changed", so that conditions are waited for and never polled. */
export class Pulse {
  #waiting: (() => void)[] = [];

  beat(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves at the next beat. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.next();
  }
}
