/** What one turn of one contestant measured: numbers by name, such as `rate` (operations per second) or `serverMicros`. */
export type Sample = Readonly<Record<string, number>>;

export interface Contestant {
  readonly name: string;
  run(): Promise<Sample>;
}

/** The middle of several measurements, with the lowest and the highest. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Rounds of all contestants, interleaved: what disturbs the machine disturbs all of them, and each ratio is between turns of
 * one round. Every second round runs backwards, so that nobody always comes first.
 */
export async function interleave(rounds: number, contestants: readonly Contestant[]): Promise<Results> {
  const samples = new Map<string, Sample[]>(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? contestants : contestants.toReversed();
    for (const { name, run } of order) samples.get(name)?.push(await run());
  }
  return new Results(samples);
}

export class Results {
  readonly #samples: ReadonlyMap<string, readonly Sample[]>;

  constructor(samples: ReadonlyMap<string, readonly Sample[]>) {
    this.#samples = samples;
  }

  of(contestant: string, measure = "rate"): Spread {
    return spreadOf(this.#values(contestant, measure));
  }

  /** How many times as much `one` has as `other`, round by round. */
  ratio(one: string, other: string, measure = "rate"): Spread {
    const others = this.#values(other, measure);
    return spreadOf(this.#values(one, measure).map((value, round) => value / (others[round] ?? Number.NaN)));
  }

  #values(contestant: string, measure: string): number[] {
    const samples = this.#samples.get(contestant);
    if (!samples || samples.length === 0) throw new Error(`No contestant "${contestant}" ran.`);
    return samples.map((sample) => sample[measure] ?? Number.NaN);
  }
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? at(Math.floor(middle)) : (at(middle - 1) + at(middle)) / 2;
  return { median, low: at(0), high: at(sorted.length - 1) };
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
