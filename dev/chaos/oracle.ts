import { createValkeyStore } from "@unstale/cache-core";
import type { Redis } from "iovalkey";
import type { CachedEntry, Load } from "./load.ts";
import { until } from "./until.ts";
import { keys } from "./valkey-tool.ts";

export type Loss = "not fenced" | "served" | "not deleted";

export interface Verdict {
  /** Documents whose event did not do all that it must, and what is missing. */
  readonly lost: ReadonlyMap<string, Loss>;
  readonly dependents: number;
}

export interface OracleOptions {
  readonly load: Load;
  readonly valkey: Redis;
  readonly valkeyUrl: string;
  /** Fences may be gone, so that they prove nothing. */
  readonly forgets: boolean;
  readonly timeoutMs: number;
}

const chunk = 1_000;

/**
 * Asks of every event whether it did what it must: its document is fenced, and the entry that was cached before it is
 * neither served to one who reads as a producer does (I1) nor there any more (I3).
 */
export async function judge({ load, valkey, valkeyUrl, forgets, timeoutMs }: OracleOptions): Promise<Verdict> {
  const store = createValkeyStore({ valkey: valkeyUrl, timeoutMs: 30_000 });
  try {
    const ids = load.events.map(({ id }) => id);
    const lost = new Map<string, Loss>();
    if (!forgets) for (const id of await unfenced(valkey, ids)) lost.set(id, "not fenced");
    const opened = await store.open({ bucket: 0 });
    const versions = opened.kind === "open" ? opened.snapshot.versions : [];
    const entries = ids.flatMap((id) => (load.entries.get(id) ?? []).map((entry) => ({ id, ...entry })));
    for (const part of chunked(entries)) {
      const reads = await Promise.all(part.map(({ query }) => store.read({ bucket: 0, query, versions })));
      part.forEach(({ id }, at) => {
        if (reads[at]?.kind === "hit") lost.set(id, "served");
      });
    }
    // Entries that a barrier hid are swept away in the background.
    let left: readonly Entry[] = entries;
    await until(
      "all entries are deleted",
      async () => {
        left = await present(valkey, left);
        return left.length === 0;
      },
      timeoutMs,
    ).catch(() => {});
    for (const { id } of left) if (!lost.has(id)) lost.set(id, "not deleted");
    return { lost, dependents: entries.length };
  } finally {
    await store.close();
  }
}

async function unfenced(valkey: Redis, ids: readonly string[]): Promise<string[]> {
  const missing: string[] = [];
  for (const part of chunked(ids)) {
    const scores = await valkey.zmscore(keys.fence(0), ...part);
    missing.push(...part.filter((_, at) => scores[at] === null));
  }
  return missing;
}

interface Entry extends CachedEntry {
  readonly id: string;
}

async function present(valkey: Redis, entries: readonly Entry[]): Promise<Entry[]> {
  const found: Entry[] = [];
  for (const part of chunked(entries)) {
    const pipeline = valkey.pipeline();
    for (const { query, versions } of part) pipeline.exists(keys.entry({ bucket: 0 }, query, versions));
    const answers = (await pipeline.exec()) ?? [];
    found.push(...part.filter((_, at) => answers[at]?.[1] !== 0));
  }
  return found;
}

function chunked<T>(list: readonly T[]): (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / chunk) }, (_, at) => list.slice(at * chunk, (at + 1) * chunk));
}
