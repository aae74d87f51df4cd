/** What was opened, to be closed in the opposite order, once, whatever happens. */
export interface Cleanup {
  add(name: string, close: () => unknown): void;
  /** Never rejects: one thing that cannot be closed must not keep the others open. */
  run(): Promise<void>;
}

const longestMs = 5_000;

export function createCleanup({ onError }: { readonly onError: (name: string, error: unknown) => void }): Cleanup {
  const open: { name: string; close: () => unknown }[] = [];
  let running: Promise<void> | undefined;

  async function closeAll(): Promise<void> {
    for (let next = open.pop(); next; next = open.pop()) {
      const { name, close } = next;
      await bounded(async () => void (await close())).catch((error: unknown) => onError(name, error));
    }
  }

  return {
    add(name, close) {
      open.push({ name, close });
      // Opened while all was being closed, by a start that could not be interrupted.
      if (running) running = running.then(closeAll);
    },
    run() {
      running ??= closeAll();
      return running;
    },
  };
}

async function bounded(close: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took longer than ${longestMs / 1_000} s`)), longestMs);
  });
  try {
    await Promise.race([close(), late]);
  } finally {
    clearTimeout(timer);
  }
}
