// What each released version left in Valkey (test/fixtures/wire), met by the readers, writers and invalidations of today:
// producers and workers of two versions run side by side during every rolling update.
import { readdir, readFile } from "node:fs/promises";
import { afterEach, expect, test } from "@jest/globals";
import { createValkeyStore, SmartCache } from "@unstale/cache-core";
import { Redis } from "iovalkey";
import { describeWith, ownValkey } from "../support/services.ts";

interface Snapshot {
  /** Of the server that it was taken from: on another server its fences would rightly count for less. */
  readonly replicationId: number;
  readonly answers: readonly {
    readonly query: string;
    readonly response: unknown;
    readonly sources: readonly string[];
    readonly namespace?: string;
  }[];
  /** Two leases for one query, taken before and after its source changed. */
  readonly lease: {
    readonly query: string;
    readonly source: string;
    readonly staleLease: string;
    readonly freshLease: string;
  };
  readonly keys: Readonly<Record<string, Stored>>;
}

type Stored =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "hash"; readonly value: Readonly<Record<string, string>> }
  | { readonly type: "set" | "zset"; readonly value: readonly string[] };

const folder = new URL("../fixtures/wire/", import.meta.url);
const versions = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory());

const toClose: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

describeWith(["valkey"], "a snapshot of an earlier version", () => {
  test.each(versions.map(({ name }) => name))("%s is read, written to and invalidated", async (version) => {
    const snapshot: Snapshot = JSON.parse(await readFile(new URL(`${version}/snapshot.json`, folder), "utf8"));
    const { cache, valkey } = await restore(snapshot);

    for (const { query, response, sources, namespace } of snapshot.answers) {
      const result = await cache.get(query, { namespace });
      expect(result).toMatchObject({ hit: true, response });
      expect(result.hit && [...result.sources].sort()).toEqual([...sources].sort());
    }

    const { query, source, staleLease, freshLease } = snapshot.lease;
    const write = (lease: string) => cache.set(query, "3 left", { sources: [source], lease });
    expect(await write(staleLease)).toMatchObject({ written: false, reason: "changed" });
    expect(await write(freshLease)).toEqual({ written: true, fenced: true });

    for (const { query, sources, namespace } of snapshot.answers) {
      await cache.invalidateSource(sources[0] ?? "");
      expect(await cache.get(query, { namespace })).toMatchObject({ hit: false });
    }
    await cache.invalidateSource(source);
    expect(await valkey.keys("cache:v[0-9]*")).toEqual([]);
    expect(await valkey.keys("cache:docs:*")).toEqual([]);
  });
});

async function restore({ keys, replicationId }: Snapshot): Promise<{ cache: SmartCache; valkey: Redis }> {
  const { url } = await ownValkey();
  const valkey = new Redis(url);
  toClose.push(() => valkey.quit());
  for (const [key, stored] of Object.entries(keys)) {
    if (stored.type === "string") await valkey.set(key, stored.value);
    else if (stored.type === "hash") await valkey.hset(key, stored.value);
    else if (stored.type === "set") await valkey.sadd(key, ...stored.value);
    else await valkey.zadd(key, ...pairs(stored.value));
    if (key.startsWith("cache:") && stored.type === "hash") await valkey.expire(key, 3_600);
  }
  const store = createValkeyStore({ valkey, injected: { replicationId: () => replicationId } });
  toClose.push(() => store.close());
  const cache = new SmartCache({ store });
  toClose.push(() => cache.close());
  return { cache, valkey };
}

/** Of `member, score, …` the order of ZADD: `score, member, …`. */
function pairs(list: readonly string[]): string[] {
  return list.flatMap((member, index) => (index % 2 === 0 ? [list[index + 1] ?? "", member] : []));
}
