/** A door that opens once: tests hold a step there, and let it go on when the moment has come. */
export interface Latch<T = void> {
  readonly opened: Promise<T>;
  open(value: T): void;
  fail(error: unknown): void;
}

export function latch<T = void>(): Latch<T> {
  let open: (value: T) => void = () => undefined;
  let fail: (error: unknown) => void = () => undefined;
  const opened = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  // Whoever awaits it sees the failure; nobody has to.
  opened.catch(() => undefined);
  return { opened, open, fail };
}

/** Resolves when the condition holds: looks after each turn of the event loop, for at most `turns` of them. */
export async function until(condition: () => boolean, turns = 2_000): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) {
    if (condition()) return;
    await settle();
  }
  throw new Error(`The condition did not come true within ${turns} turns: ${condition}`);
}

/** Lets everything happen that needs no time to pass. */
export async function settle(turns = 3): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
