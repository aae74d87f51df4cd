// What a released version left in Valkey (test/fixtures/wire/make.mjs tells how), put back into an empty one.
import { readdir, readFile } from "node:fs/promises";
import { createValkeyStore, type LogPosition, type StorePolicy } from "@unstale/cache-core";
import type { Redis } from "iovalkey";

export interface WireSnapshot {
  /** Of the server that it was taken from: on another server its fences would rightly count for less. */
  readonly replicationId: number;
  /** Server time in microseconds. Fences are forgotten with time, so the stores of today go on from here. */
  readonly takenAt: number;
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
  /** A document whose dependency set was taken away, and not drained: its answers' keys are still there. */
  readonly drained: { readonly document: string; readonly queries: readonly string[] };
  /** How far its worker got. */
  readonly applied: Pick<LogPosition, "topic" | "partition"> & { readonly offset: number };
  /** What an event told of a document. */
  readonly versioned: { readonly id: string; readonly version: number };
  /** A fill that is under way. */
  readonly lock: { readonly query: string; readonly token: string };
  readonly keys: Readonly<Record<string, Stored>>;
}

type Stored = { readonly expires: boolean } & (
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "hash"; readonly value: Readonly<Record<string, string>> }
  | { readonly type: "set" | "zset"; readonly value: readonly string[] }
);

const folder = new URL("../fixtures/wire/", import.meta.url);

/** `v1`, …: one for each format that was released. */
export async function wireFormats(): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

export async function wireSnapshot(format: string): Promise<WireSnapshot> {
  return JSON.parse(await readFile(new URL(`${format}/snapshot.json`, folder), "utf8"));
}

export async function restore(valkey: Redis, { keys }: WireSnapshot): Promise<void> {
  await valkey.flushall("SYNC");
  for (const [key, stored] of Object.entries(keys)) {
    if (stored.type === "string") await valkey.set(key, stored.value);
    else if (stored.type === "hash") await valkey.hset(key, stored.value);
    else if (stored.type === "set") await valkey.sadd(key, ...stored.value);
    else await valkey.zadd(key, ...pairs(stored.value));
    if (stored.expires) await valkey.expire(key, 3_600);
  }
}

/** The store of today, on the server and at the time of the snapshot. */
export function storeAt(url: string, { replicationId, takenAt }: WireSnapshot, policy: Partial<StorePolicy> = {}) {
  const began = performance.now();
  const now = (): number => takenAt + Math.ceil((performance.now() - began) * 1_000);
  return createValkeyStore({ valkey: url, policy, injected: { replicationId: () => replicationId, now } });
}

/** Of `member, score, …` the order of ZADD: `score, member, …`. */
function pairs(list: readonly string[]): string[] {
  return list.flatMap((member, index) => (index % 2 === 0 ? [list[index + 1] ?? "", member] : []));
}
