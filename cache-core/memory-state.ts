import { wireFormat } from "./deployment.ts";
import type { Keys } from "./keys.ts";
import { KeyspaceError, type MemoryKeyspace } from "./memory-keyspace.ts";
import type { Snapshot } from "./store.ts";
import type { StorePolicy } from "./valkey-store.ts";

/** What every step in memory works with. Read beside the script of the same name: it says why, this says it again. */
export interface MemoryParts {
  readonly keyspace: MemoryKeyspace;
  readonly keys: Keys;
  readonly policy: StorePolicy;
  /** Server time in microseconds. */
  readonly time: () => number;
  readonly replicationId: () => number;
  readonly nonce: () => number;
  readonly sampling: number;
  /** Sets of at most so many members are scanned in one piece, whatever count is asked for; Valkey's setting. */
  readonly setMaxListpackEntries: number;
}

export const format = wireFormat;

const system = [" format", " clock", " birth", " replid", " floor"] as const;

/** state.lua: the members of a fence key that are not documents. */
export interface Standing {
  readonly format: number;
  clock: number;
  readonly birth: number;
  replid: number;
  floor: number;
}

/** `pcall`: a key of the wrong type is `undefined`. */
export function attempt<T>(step: () => T): { readonly value: T } | undefined {
  try {
    return { value: step() };
  } catch (error) {
    if (error instanceof KeyspaceError) return undefined;
    throw error;
  }
}

export function understood(scores: readonly (number | undefined)[]): Standing | undefined {
  const [format, clock, birth, replid, floor] = scores;
  if (format === undefined || clock === undefined || birth === undefined) return undefined;
  if (replid === undefined || floor === undefined) return undefined;
  return { format, clock, birth, replid, floor };
}

/** state.lua, `newer` */
export function isNewer({ keyspace, keys }: MemoryParts, bucket: number): boolean {
  const stored = attempt(() => keyspace.zscore(keys.fence(bucket), " format"))?.value;
  return stored !== undefined && stored > format;
}

/** The standing, and the stamps of these documents; `undefined` where the fence key is of another type. */
export function judge(
  { keyspace, keys }: MemoryParts,
  bucket: number,
  documents: readonly string[] = [],
): { readonly state: Standing | undefined; readonly stamps: readonly (number | undefined)[] } | undefined {
  const scores = attempt(() => keyspace.zmscore(keys.fence(bucket), [...system, ...documents]))?.value;
  return scores && { state: understood(scores), stamps: scores.slice(system.length) };
}

/** birth.lua */
export function birth(
  parts: MemoryParts,
  bucket: number,
  { time, nonce }: { readonly time: number; readonly nonce: number },
): { readonly state: Standing; readonly born: boolean } | "format" {
  const { keyspace, keys } = parts;
  const fence = keys.fence(bucket);
  const versions = keys.documentVersions(bucket);
  const replid = parts.replicationId();
  const reply = attempt(() => keyspace.zmscore(fence, system));
  if (!reply) keyspace.del(fence);
  const scores = reply?.value ?? [];
  if (scores[0] !== undefined && scores[0] > format) return "format";

  const known = understood(scores);
  const state = known ?? newborn(time, { oldClock: scores[1], nonce, replid });
  if (!known) {
    keyspace.del(fence);
    keyspace.zadd(fence, {
      " format": format,
      " clock": state.clock,
      " birth": state.birth,
      " replid": replid,
      " floor": state.floor,
    });
  } else if (state.replid !== replid) {
    state.replid = replid;
    keyspace.zadd(fence, { " replid": replid });
  }
  if (attempt(() => keyspace.zscore(versions, " since"))?.value === undefined) {
    keyspace.del(versions);
    keyspace.zadd(versions, { " since": state.clock });
  }
  return { state, born: !known };
}

function newborn(
  time: number,
  { oldClock = 0, nonce, replid }: { oldClock: number | undefined; nonce: number; replid: number },
): Standing {
  const clock = Math.max(time, oldClock + 1);
  return { format, clock, birth: nonce, replid, floor: clock };
}

/** What a lease remembers of it. */
export function snapshotOf(state: Standing, versions: readonly string[], at: number): Snapshot {
  return { clock: state.clock, birth: state.birth, replicationId: state.replid, versions, at };
}

const counterPattern = /^\d+$/;

/** Version counters as they stand; `undefined` when one is missing or not a number. */
export function versionsOf({ keyspace }: MemoryParts, counters: readonly string[]): readonly string[] | undefined {
  const values = keyspace.mget(counters);
  return values.every((value) => value !== undefined && counterPattern.test(value)) ? (values as string[]) : undefined;
}

/** birth.lua, `counter` */
export function counter({ keyspace }: MemoryParts, key: string, nonce: number, ttlMs?: number): string {
  const value = attempt(() => keyspace.get(key))?.value;
  if (value !== undefined && counterPattern.test(value)) return value;
  keyspace.set(key, String(nonce), ttlMs);
  return String(nonce);
}

/** birth.lua, `raise`: another value than any before. */
export function raise({ keyspace }: MemoryParts, key: string, nonce: number, ttlMs?: number): void {
  const isThere = attempt(() => keyspace.get(key))?.value !== undefined;
  const isRaised = isThere && attempt(() => keyspace.incr(key)) !== undefined;
  if (!isRaised) keyspace.set(key, String(nonce), ttlMs);
  else if (ttlMs !== undefined) keyspace.pexpire(key, ttlMs, "GT");
}

const mostPruned = 1_000;

/** prune.lua */
export function prune(parts: MemoryParts, bucket: number, state: Standing, time: number): number {
  const { keyspace, keys, policy } = parts;
  const fence = keys.fence(bucket);
  const lowest = (max: number, count: number): string[] =>
    keyspace
      .zrange(fence, { max, count: count + system.length })
      .filter((member) => !member.startsWith(" "))
      .slice(0, count);
  const excess = Math.min(keyspace.zcard(fence) - system.length - policy.maxFences, mostPruned);
  const old = lowest(time - policy.maxTtlMs * 1_000, mostPruned);
  const documents = excess > old.length ? lowest(Number.POSITIVE_INFINITY, excess) : old;
  const last = documents.at(-1);
  if (last === undefined) return 0;
  state.floor = Math.max(state.floor, keyspace.zscore(fence, last) ?? 0);
  keyspace.zadd(fence, { " floor": state.floor });
  keyspace.zrem(fence, ...documents);
  keyspace.zrem(keys.documentVersions(bucket), ...documents);
  return documents.length;
}

/** Lua's `tonumber` of a reply. */
export function numberOf(text: string | undefined): number | undefined {
  const number = text === undefined || text.trim() === "" ? Number.NaN : Number(text);
  return Number.isNaN(number) ? undefined : number;
}
