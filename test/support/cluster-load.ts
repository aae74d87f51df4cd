// A small load on a cluster, and an oracle that shares nothing with the library: it knows what every document was when it
// was acknowledged to have changed, and what every answer says that it was built from.
import { setTimeout as pause } from "node:timers/promises";
import { isUnstaleError, SmartCache } from "@unstale/cache-core";

export interface Judgement {
  /** Looked up, built, and not cacheable for the moment. */
  readonly hits: number;
  readonly fills: number;
  readonly uncached: number;
  readonly acknowledged: number;
  /** Answers that do not know a change which was acknowledged before they were asked for. */
  readonly stale: readonly string[];
  /** The same while it was said that it may happen. */
  readonly excused: number;
}

export interface LoadOptions {
  readonly valkey: string;
  readonly buckets: number;
  /** Resolves when the change is acknowledged; it is called again when it rejects. */
  readonly change: (document: string) => Promise<void>;
}

export interface Load {
  /** How many changes were acknowledged so far. */
  readonly acknowledged: number;
  /** From now on stale answers are only counted: a failover may have lost what was acknowledged last. */
  excuse(): void;
  judge(): void;
  /** Ends the load, looks at every answer once more, and tells. */
  end(): Promise<Judgement>;
}

const documents = 16;
const queries = 160;
const readers = 6;

type Answer = Readonly<Record<string, number>>;

export function startLoad({ valkey, buckets, change }: LoadOptions): Load {
  const truth = new Map<string, number>();
  const acknowledged = new Map<string, number>();
  const count = { hits: 0, fills: 0, uncached: 0, acknowledged: 0, excused: 0 };
  const stale: string[] = [];
  const stopping = new AbortController();
  let excused = false;
  const caches = Array.from(
    { length: 2 },
    () => new SmartCache({ valkey, buckets, defaultTtl: 600, onWarning: () => undefined }),
  );

  const dependencies = (query: number): string[] => [`doc:${query % documents}`, `doc:${(query * 7 + 3) % documents}`];

  async function read(query: number): Promise<void> {
    const names = dependencies(query);
    const floors = names.map((name) => acknowledged.get(name) ?? 0);
    let mayLose = excused;
    const cache = caches[query % caches.length];
    if (!cache) return;
    const { response, status } = await cache.getOrSet<Answer>(`question ${query}`, async ({ dependsOn }) => {
      dependsOn(names);
      const answer = Object.fromEntries(names.map((name) => [name, truth.get(name) ?? 0]));
      await pause(Math.random() * 8);
      return answer;
    });
    mayLose ||= excused;
    count[status === "hit" ? "hits" : status === "filled" ? "fills" : "uncached"] += 1;
    names.forEach((name, index) => {
      const [known, floor] = [response[name] ?? 0, floors[index] ?? 0];
      if (known >= floor) return;
      if (mayLose) count.excused += 1;
      else stale.push(`${status} of question ${query}: ${name} is ${known}, ${floor} was acknowledged`);
    });
  }

  async function reader(): Promise<void> {
    while (!stopping.signal.aborted) {
      await read(Math.floor(Math.random() * queries));
      await pause(1);
    }
  }

  async function editor(): Promise<void> {
    while (!stopping.signal.aborted) {
      const name = `doc:${Math.floor(Math.random() * documents)}`;
      const version = (truth.get(name) ?? 0) + 1;
      truth.set(name, version);
      await insist(() => change(name));
      acknowledged.set(name, version);
      count.acknowledged += 1;
      await pause(10);
    }
  }

  const running = Promise.all([...Array.from({ length: readers }, reader), editor()]);
  // It is awaited at the end; until then a failure must not end the process.
  running.catch(() => undefined);

  return {
    get acknowledged() {
      return count.acknowledged;
    },
    excuse: () => {
      excused = true;
    },
    judge: () => {
      excused = false;
    },
    end: async () => {
      stopping.abort();
      await running;
      for (let query = 0; query < queries; query += 1) await read(query);
      await Promise.all(caches.map((cache) => cache.close()));
      return { ...count, stale };
    },
  };
}

async function insist(work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isUnstaleError(error) || !error.retryable) throw error;
      await pause(20);
    }
  }
}
