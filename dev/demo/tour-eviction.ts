import { SmartCache } from "@unstale/cache-core";
import { type Progress, silent, startValkey } from "../services/index.ts";
import type { Cleanup } from "./cleanup.ts";
import type { Stage } from "./stage.ts";
import type { Guide } from "./tour.ts";

export interface TourEvictionOptions {
  readonly stage: Stage;
  readonly guide: Guide;
  readonly cleanup: Cleanup;
  readonly progress: Progress;
}

const maxMemory = "4mb";
const answers = 3_000;

/** A Valkey of its own that is far too small for what is put into it. */
export async function tourEviction({ stage, guide, cleanup }: TourEvictionOptions): Promise<void> {
  guide.chapter(
    `LRU: a Valkey with maxmemory ${maxMemory} and allkeys-lru; an evicted key is a miss, never a stale answer`,
  );
  if (stage.backend.embedded) {
    guide.line("needs a real Valkey; skipped");
    return;
  }
  const valkey = await startValkey({
    progress: silent,
    fresh: true,
    config: [`maxmemory ${maxMemory}`, "maxmemory-policy allkeys-lru"],
  });
  cleanup.add("small Valkey", () => valkey.stop());
  const cache = new SmartCache({ valkey: valkey.url, onWarning: ({ message }) => guide.line(message) });
  cleanup.add("small cache", () => cache.close());

  const text = "x".repeat(1_500);
  const question = (number: number) => `tour: question ${number}`;
  const numbers = Array.from({ length: answers }, (_, number) => number);
  await inTurns(numbers, async (number) => {
    await cache.getOrSet(question(number), () => text, { sources: [`tour:${number % 100}`] });
  });
  const hits = await countHits(cache, numbers.map(question));
  guide.line(`${answers} answers of 1.5 KB were put in: ${hits} are hits, the others were evicted`);

  const changed = numbers.filter((number) => number % 100 === 7).map(question);
  const before = await countHits(cache, changed);
  const counts = await cache.invalidateSource("tour:7");
  const after = await countHits(cache, changed);
  guide.line(`memory is full, and invalidateSource("tour:7") goes through: ${JSON.stringify(counts)}`);
  guide.line(`of the answers built from it ${before} were hits, ${after} are now`);
  await cache.close();
  await valkey.stop();
}

async function countHits(cache: SmartCache, questions: readonly string[]): Promise<number> {
  let hits = 0;
  await inTurns(questions, async (question) => {
    if ((await cache.get(question)).hit) hits += 1;
  });
  return hits;
}

/** A few at a time. */
async function inTurns<T>(list: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = list.values();
  const lane = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: 8 }, lane));
}
