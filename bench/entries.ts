import type { CacheStore, Snapshot } from "@unstale/cache-core";
import type { Redis } from "./client.ts";

/** Many entries at once, written by the server itself: what a bench needs to be there before it begins. */
export interface Shelf {
  readonly admin: Redis;
  /** Where the entries' leases come from: they are alive like any committed entry. */
  readonly snapshot: Snapshot;
  /** Documents are called `<name>:<number>`, and their entries so that `shelfKey` finds them. */
  readonly name: string;
  readonly documents: number;
  /** Entries of each document; each is built from this document alone. */
  readonly fanOut: number;
  readonly responseBytes: number;
  /** Entries of this namespace. */
  readonly namespace?: string;
}

const script = `
local first, last, fan_out = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local name, response, lease, prefix = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
for number = first, last do
  local document = name .. ':' .. number
  local sources = '["' .. document .. '"]'
  local field = lease .. string.sub(redis.sha1hex(sources), 1, 16)
  local set = 'doc_deps:' .. document
  for entry = 1, fan_out do
    local key = prefix .. string.format('%08x%08x', number, entry)
    redis.call('HSET', key, 'query', 'shelf ' .. key, 'response', response, 'sources', sources, 'lease', field)
    redis.call('PEXPIRE', key, 3600000)
    redis.call('SADD', set, key)
  end
  if fan_out > 0 then redis.call('PEXPIRE', set, 3600000) end
end`;

export async function fillShelf(shelf: Shelf): Promise<void> {
  const { admin, snapshot, name, documents, fanOut, responseBytes } = shelf;
  const lease = `1:${snapshot.clock}:${snapshot.birth}:${snapshot.replicationId}:`;
  const step = Math.max(1, Math.floor(2_000 / Math.max(1, fanOut)));
  const response = "r".repeat(responseBytes);
  for (let first = 0; first < documents; first += step) {
    const last = Math.min(documents, first + step) - 1;
    await admin.eval(script, 0, first, last, fanOut, name, response, lease, prefixOf(shelf));
  }
}

/** One document with very many entries. */
export async function fillLargeSet(shelf: Omit<Shelf, "documents" | "fanOut">, entries: number): Promise<void> {
  const { admin, snapshot, name, responseBytes } = shelf;
  const lease = `1:${snapshot.clock}:${snapshot.birth}:${snapshot.replicationId}:`;
  const step = 2_000;
  for (let first = 0; first < entries; first += step) {
    const count = Math.min(step, entries - first);
    const prefix = `${prefixOf(shelf)}${(first / step).toString(16).padStart(6, "0")}`;
    await admin.eval(script, 0, 0, 0, count, name, "r".repeat(responseBytes), lease, prefix);
  }
}

function prefixOf({ snapshot, namespace }: Pick<Shelf, "snapshot" | "namespace">): string {
  return `cache:${namespace === undefined ? "" : `${namespace}:`}v${snapshot.versions.join(".")}:`;
}

export function shelfDocument(name: string, number: number): string {
  return `${name}:${number}`;
}

export function shelfKey(shelf: Pick<Shelf, "snapshot" | "namespace">, document: number, entry: number): string {
  const hex = (number: number): string => number.toString(16).padStart(8, "0");
  return `${prefixOf(shelf)}${hex(document)}${hex(entry)}`;
}

export async function openSnapshot(store: CacheStore, namespace?: string): Promise<Snapshot> {
  const reply = await store.open({ bucket: 0, namespace });
  if (reply.kind !== "open") throw new Error(`The store does not open: ${reply.kind}.`);
  return reply.snapshot;
}

export interface RealEntry {
  readonly query: string;
  readonly sources: readonly string[];
}

/** Entries written as a producer writes them. */
export async function commitEntries(
  store: CacheStore,
  { snapshot, entries, responseBytes }: { snapshot: Snapshot; entries: readonly RealEntry[]; responseBytes: number },
): Promise<void> {
  const response = "r".repeat(responseBytes);
  const write = async ({ query, sources }: RealEntry): Promise<void> => {
    const request = { bucket: 0, query, response, sources, ttlMs: 3_600_000, lease: snapshot };
    const reply = await store.commit(request);
    if (reply.kind !== "written") throw new Error(`An entry was refused: ${reply.reason}.`);
  };
  for (let from = 0; from < entries.length; from += 500) await Promise.all(entries.slice(from, from + 500).map(write));
}

export async function isServed(store: CacheStore, snapshot: Snapshot, query: string): Promise<boolean> {
  const reply = await store.read({ bucket: 0, query, versions: snapshot.versions });
  return reply.kind === "hit";
}
