import type { Progress } from "./progress.ts";

/** One way to come by a service. It declines with a reason, or throws when going on would hide a mistake. */
export interface Rung<T> {
  readonly name: string;
  readonly take: () => Promise<T | Declined>;
}

export class Declined {
  readonly why: string;
  constructor(why: string) {
    this.why = why;
  }
}

/** For a person who has to do something about it: print the message, the stack says nothing. */
export class ServiceUnavailableError extends Error {
  override readonly name = "ServiceUnavailableError";
}

export interface Climb<T> {
  readonly service: string;
  readonly rungs: readonly Rung<T>[];
  readonly progress: Progress;
  /** What a person can do when no rung holds. */
  readonly advice: string;
}

export async function climb<T extends { readonly chosen: string }>({
  service,
  rungs,
  progress,
  advice,
}: Climb<T>): Promise<T> {
  const declined: string[] = [];
  for (const rung of rungs) {
    const result = await rung.take();
    if (!(result instanceof Declined)) {
      const because = declined.length > 0 ? ` (${declined.join("; ")})` : "";
      progress(`${result.chosen}${because}`);
      return result;
    }
    declined.push(result.why);
  }
  const reasons = rungs.map((rung, index) => `  - ${rung.name}: ${declined[index] ?? "not tried"}`);
  throw new ServiceUnavailableError(
    [`${service} is needed, and none was found or could be started:`, ...reasons, advice].join("\n"),
  );
}
