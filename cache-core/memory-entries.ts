import { createHash } from "node:crypto";
import { unmetDemand } from "./memory-demands.ts";
import {
  attempt,
  format,
  isNewer,
  judge,
  type MemoryParts,
  type Standing,
  snapshotOf,
  versionsOf,
} from "./memory-state.ts";
import type {
  CommitReply,
  CommitRequest,
  FillLockReply,
  FillLockRequest,
  ReadReply,
  ReadRequest,
  RefusalReason,
  Snapshot,
} from "./store.ts";

/** entries.lua, `parse`: the documents that an entry's `sources` name, or `undefined` when they are not clean (H15). */
function parseSources(json: string | undefined): readonly string[] | undefined {
  if (json === undefined || !/^[ \t\n\v\f\r]*\[/.test(json)) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!Array.isArray(list) || list.length > 1_000) return undefined;
  const documents = list.map(documentOf);
  return documents.includes(undefined) ? undefined : (documents as string[]);
}

function documentOf(source: unknown): string | undefined {
  if (typeof source === "number") {
    return Number.isInteger(source) && Math.abs(source) < 1e14 ? String(source) : undefined;
  }
  const isClean = typeof source === "string" && source !== "" && !source.startsWith(" ") && source.isWellFormed();
  return isClean ? source : undefined;
}

/** Binds a lease to the `sources` beside it. */
function sealOf(json: string): string {
  return createHash("sha1").update(json, "utf8").digest("hex").slice(0, 16);
}

export interface StoredLease {
  readonly format: number;
  readonly clock: number;
  readonly birth: number;
  readonly replid: number;
  readonly seal: string;
}

/** entries.lua, `unpack_lease` */
export function parseStoredLease(field: string | undefined): StoredLease | undefined {
  const match = /^(\d+):(\d+):(\d+):(\d+):([0-9A-Fa-f]+)$/.exec(field ?? "");
  if (!match) return undefined;
  const [format = 0, clock = 0, birth = 0, replid = 0] = match.slice(1, 5).map(Number);
  return { format, clock, birth, replid, seal: match[5] ?? "" };
}

interface Entry {
  readonly response: string;
  readonly json: string;
  readonly codec: string | undefined;
  readonly sources: readonly string[];
  readonly lease: StoredLease | undefined;
}

const fieldNames = ["query", "response", "sources", "codec", "lease"] as const;

function entryAt({ keyspace }: MemoryParts, key: string, query: string): Entry | undefined {
  const fields = attempt(() => keyspace.hmget(key, fieldNames))?.value ?? [];
  const [storedQuery, response, json = "", codec, leaseField] = fields;
  const sources = parseSources(json);
  if (storedQuery !== query || response === undefined || !sources) return undefined;
  const lease = parseStoredLease(leaseField);
  if (leaseField !== undefined && (!lease || lease.format > format)) return undefined;
  return { response, json, codec, sources, lease };
}

/** read.lua */
export function read(parts: MemoryParts, request: ReadRequest): ReadReply {
  const { keys } = parts;
  const { bucket, query, versions: known } = request;
  const versions = versionsOf(parts, keys.versionCounters(request));
  if (!versions) return { kind: "lost" };
  if (versions.join(".") !== known.join(".")) return { kind: "moved", versions };

  const unmet = request.demands && unmetDemand(parts, bucket, request.demands);
  const miss = (): ReadReply => {
    const state = judge(parts, bucket)?.state;
    if (!state) return { kind: "lost" };
    if (state.format > format) return { kind: "format" };
    return { kind: "miss", snapshot: snapshotOf(state, known, parts.time()), ...(unmet ? { unmet } : {}) };
  };
  const key = keys.entry(request, query, known);
  const entry = unmet ? undefined : entryAt(parts, key, query);
  if (!entry) return miss();
  const judged = judge(parts, bucket, entry.sources);
  if (!judged) return { kind: "lost" };
  if (judged.state && judged.state.format > format) return { kind: "format" };
  if (!isAlive(parts, { bucket, key, entry, ...judged })) return miss();
  const sources: unknown[] = JSON.parse(entry.json);
  const codec = entry.codec ? { codec: entry.codec } : {};
  return { kind: "hit", response: entry.response, sources: sources.map(String), ...codec };
}

interface Case {
  readonly bucket: number;
  readonly key: string;
  readonly entry: Entry;
  readonly state: Standing | undefined;
  readonly stamps: readonly (number | undefined)[];
}

/** Two witnesses: the fences, and where those are not all known, the listing (I1). */
function isAlive(parts: MemoryParts, { bucket, key, entry, state, stamps }: Case): boolean {
  const { lease, sources, json } = entry;
  if (!lease) return isListed(parts, { bucket, key, sources });
  if (stamps.some((stamp) => stamp !== undefined && stamp > lease.clock)) return false;
  const isComplete = state !== undefined && state.birth === lease.birth && lease.clock >= state.floor;
  if (isComplete && state.replid === lease.replid && lease.seal === sealOf(json)) return true;
  if (!isComplete && parts.policy.foreignWriters) return false;
  return isListed(parts, { bucket, key, sources });
}

function isListed(
  { keyspace, keys }: MemoryParts,
  { bucket, key, sources }: Pick<Case, "bucket" | "key"> & { readonly sources: readonly string[] },
): boolean {
  const lists = (set: string): boolean => attempt(() => keyspace.sismember(set, key))?.value ?? false;
  return sources.every((source) => keys.dependencySets(bucket, source).some(lists));
}

/** commit.lua */
export function commit(parts: MemoryParts, request: CommitRequest): CommitReply {
  const { keys } = parts;
  const { bucket, sources, lease } = request;
  const judged = judge(parts, bucket, sources);
  if (!judged?.state) return refused("lost");
  const { state, stamps } = judged;
  if (state.format > format) return refused("format");

  const versions = versionsOf(parts, keys.versionCounters(request));
  if (!versions) return refused("lost");
  if (versions.join(".") !== lease.versions.join(".")) return { ...refused("version"), versions };

  const refusal =
    ("clock" in lease ? refusedByFences(lease, { state, stamps, sources }) : undefined) ??
    refusedByVersions(parts, request, stamps) ??
    refusedByType(parts, request);
  if (refusal) return refusal;
  write(parts, request);
  return { kind: "written" };
}

type Refused = Extract<CommitReply, { kind: "refused" }>;

function refused(reason: RefusalReason): Refused {
  return { kind: "refused", reason };
}

function refusedByFences(
  lease: Snapshot,
  { state, stamps, sources }: Pick<Case, "stamps"> & { state: Standing; sources: readonly string[] },
): Refused | undefined {
  if (lease.birth !== state.birth || lease.replicationId !== state.replid || lease.clock > state.clock) {
    return refused("lost");
  }
  if (lease.clock < state.floor) return refused("old");
  const at = stamps.findIndex((stamp) => stamp !== undefined && stamp > lease.clock);
  if (at === -1) return undefined;
  return { ...refused("changed"), document: sources[at] ?? "", changedAt: stamps[at] ?? 0 };
}

/** Microseconds for which a document whose versions may be lost is refused: longer than replicas lag (R9). */
const longestLag = 300_000_000;

function refusedByVersions(
  parts: MemoryParts,
  { bucket, sources, sourceVersions = {} }: CommitRequest,
  stamps: readonly (number | undefined)[],
): Refused | undefined {
  const { keyspace, keys } = parts;
  if (sources.every((source) => sourceVersions[source] === undefined)) return undefined;
  const reply = attempt(() => keyspace.zmscore(keys.documentVersions(bucket), [" since", ...sources]))?.value;
  const [since, ...floors] = reply ?? [];
  if (since === undefined) return refused("lost");
  for (const [index, source] of sources.entries()) {
    const [known, floor, stamp] = [sourceVersions[source], floors[index], stamps[index]];
    if (known === undefined) continue;
    if (floor !== undefined && known < floor) {
      return { ...refused("changed"), document: source, changedAt: stamp ?? since };
    }
    const mayBeLost = floor === undefined && stamp !== undefined && stamp <= since;
    if (mayBeLost && parts.time() < since + longestLag) return refused("lost");
  }
  return undefined;
}

function refusedByType({ keyspace, keys }: MemoryParts, { bucket, sources }: CommitRequest): Refused | undefined {
  const areSets = sources.every((source) => {
    const type = keyspace.type(keys.dependencySets(bucket, source)[0] ?? "");
    return type === "set" || type === "none";
  });
  return areSets ? undefined : refused("wrong-type");
}

function write(parts: MemoryParts, request: CommitRequest): void {
  const { keyspace, keys, policy } = parts;
  const { query, lease } = request;
  const ttlMs = Math.ceil(request.ttlMs);
  const key = keys.entry(request, query, lease.versions);
  const sets = request.sources.map((source) => keys.dependencySets(request.bucket, source)[0] ?? "");
  forget(parts, { bucket: request.bucket, key, sets });
  for (const set of sets) list(parts, { set, key, ttlMs });
  for (const counter of keys.versionCounters(request).slice(1)) keyspace.pexpire(counter, policy.maxTtlMs, "GT");
  keyspace.hset(key, fieldsOf(request));
  keyspace.pexpire(key, ttlMs);
  for (const set of sets) dropDead(parts, set);
}

/** What was there leaves the sets that are not named any more, and then as a whole (H19). */
function forget(
  { keyspace, keys }: MemoryParts,
  { bucket, key, sets }: { readonly bucket: number; readonly key: string; readonly sets: readonly string[] },
): void {
  const before = attempt(() => keyspace.hget(key, "sources"))?.value;
  for (const source of parseSources(before) ?? []) {
    const set = keys.dependencySets(bucket, source)[0] ?? "";
    if (!sets.includes(set)) attempt(() => keyspace.srem(set, key));
  }
  keyspace.del(key);
}

function list(
  { keyspace, policy }: MemoryParts,
  { set, key, ttlMs }: { readonly set: string; readonly key: string; readonly ttlMs: number },
): void {
  keyspace.sadd(set, key);
  const setTtlMs = Math.max(ttlMs, policy.foreignWriters ? policy.foreignTtlMs : 0);
  if (!keyspace.pexpire(set, setTtlMs, "GT")) keyspace.pexpire(set, setTtlMs, "NX");
}

function fieldsOf({ query, response, codec, sources, lease }: CommitRequest): Record<string, string> {
  const json = JSON.stringify(sources);
  const plain = { query, response, sources: json, ...(codec ? { codec } : {}) };
  if (!("clock" in lease)) return plain;
  return { ...plain, lease: [format, lease.clock, lease.birth, lease.replicationId, sealOf(json)].join(":") };
}

/** Dead members leave the sets a few at a time (I8). */
function dropDead({ keyspace, sampling }: MemoryParts, set: string): void {
  const members = sampling > 0 ? keyspace.smembers(set) : [];
  for (let looked = 0; looked < sampling && members.length > 0; looked += 1) {
    const [member] = members.splice(Math.floor(Math.random() * members.length), 1);
    if (member !== undefined && !keyspace.exists(member)) keyspace.srem(set, member);
  }
}

/** fill-lock.lua */
export function fillLock(
  parts: MemoryParts,
  operation: "acquire" | "renew" | "release",
  request: FillLockRequest,
): FillLockReply {
  const { keyspace, keys } = parts;
  if (isNewer(parts, request.bucket)) return { kind: "format" };
  const key = keys.fillLock(request, request.query);
  const reply = attempt(() => keyspace.get(key));
  if (!reply) keyspace.del(key);
  const holder = reply?.value;
  if (operation === "acquire" && holder === undefined) {
    keyspace.set(key, request.token, request.ttlMs);
    return { kind: "held" };
  }
  if (holder !== request.token) return { kind: "taken" };
  if (operation === "release") keyspace.del(key);
  else keyspace.pexpire(key, request.ttlMs);
  return { kind: "held" };
}
