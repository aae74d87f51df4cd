import { wireFormat } from "./deployment.ts";
import { cacheError } from "./errors.ts";
import type {
  AttachReply,
  CommitReply,
  ConfirmReply,
  DeploymentRecord,
  Drain,
  DrainReply,
  FillLockReply,
  HeartbeatReply,
  InvalidateReply,
  NewerDeployment,
  OpenReply,
  ReadReply,
  RefusalReason,
  ServerInfo,
  Snapshot,
} from "./store.ts";

/** Replies of the scripts, as their headers describe them, turned into those of the port. Anything else is an error. */
type Items = readonly (string | number)[];

function items(reply: unknown): Items {
  const known = (item: unknown): boolean => typeof item === "string" || typeof item === "number";
  if (Array.isArray(reply) && reply.length > 0 && reply.every(known)) return reply as Items;
  throw notUnderstood(reply);
}

function notUnderstood(reply: unknown): Error {
  return cacheError(
    "UNSTALE_VALKEY_REFUSED",
    `Valkey's reply is not understood: ${JSON.stringify(reply)?.slice(0, 200)}. Is something between us and the server?`,
  );
}

function snapshotOf([clock, birth, replicationId, at]: Items, versions: readonly string[]): Snapshot {
  return {
    clock: Number(clock),
    birth: Number(birth),
    replicationId: Number(replicationId),
    versions,
    at: Number(at),
  };
}

export function parseRead(reply: unknown, versions: readonly string[]): ReadReply {
  const [kind, ...rest] = items(reply);
  switch (kind) {
    case "hit": {
      const [response = "", json, codec] = rest;
      const sources = parseList(String(json));
      // Lua's JSON is more lenient than ours ([0x10], a line break in a text): what a foreign writer left is no hit (H15).
      if (!sources) return { kind: "lost" };
      return { kind, response: String(response), sources, ...(codec ? { codec: String(codec) } : {}) };
    }
    case "miss": {
      const unmet = rest[4];
      const snapshot = snapshotOf(rest, versions);
      return unmet === "behind" || unmet === "unconfirmed" ? { kind, snapshot, unmet } : { kind, snapshot };
    }
    case "moved":
      return { kind, versions: String(rest[0]).split(".") };
    case "lost":
    case "format":
      return { kind };
    default:
      throw notUnderstood(reply);
  }
}

function parseList(json: string): string[] | undefined {
  try {
    const list: unknown = JSON.parse(json);
    return Array.isArray(list) ? list.map(String) : undefined;
  } catch {
    return undefined;
  }
}

export function parseOpen(reply: unknown): OpenReply {
  const [kind, ...rest] = items(reply);
  if (kind === "format") return { kind };
  if (kind === "open") return { kind, snapshot: snapshotOf(rest, String(rest[4]).split(".")) };
  throw notUnderstood(reply);
}

const refusals: ReadonlySet<unknown> = new Set<RefusalReason>([
  "lost",
  "old",
  "changed",
  "version",
  "format",
  "wrong-type",
]);

export function parseCommit(reply: unknown): CommitReply {
  const [kind, reason, ...rest] = items(reply);
  if (kind === "written") return { kind };
  if (kind !== "refused" || !refusals.has(reason)) throw notUnderstood(reply);
  return {
    kind,
    reason: reason as RefusalReason,
    ...(reason === "changed" ? { document: String(rest[0]), changedAt: Number(rest[1]) } : {}),
    ...(reason === "version" ? { versions: String(rest[0]).split(".") } : {}),
  };
}

/** Pairs: document, tokens joined by spaces. */
function drainsOf(pairs: Items, bucket: number): Drain[] {
  return pairs.flatMap((document, index) =>
    index % 2 === 1
      ? []
      : String(pairs[index + 1])
          .split(" ")
          .map((token) => ({ bucket, document: String(document), token })),
  );
}

export function parseInvalidate(reply: unknown, bucket: number): InvalidateReply {
  const [kind, ...rest] = items(reply);
  if (kind === "format") return { kind };
  if (kind === "rollback") return { kind, applied: Number(rest[0]) };
  if (kind !== "applied") throw notUnderstood(reply);
  const [stamp, deleted, raised, pruned, born, barrier, ...drains] = rest;
  return {
    kind,
    stamp: Number(stamp),
    deleted: Number(deleted),
    raised: Number(raised),
    pruned: Number(pruned),
    born: born === 1,
    barrier: barrier === 1,
    drains: drainsOf(drains, bucket),
  };
}

export function parseDrain(reply: unknown): DrainReply {
  const [kind, cursor, replicationId, deleted, kept] = items(reply);
  if (kind === "restart" || kind === "format") return { kind };
  if (kind !== "more" && kind !== "finished") throw notUnderstood(reply);
  return {
    kind,
    cursor: String(cursor),
    replicationId: Number(replicationId),
    deleted: Number(deleted),
    kept: Number(kept),
  };
}

export function parseFillLock(reply: unknown): FillLockReply {
  const [kind] = items(reply);
  if (kind === "held" || kind === "taken" || kind === "format") return { kind };
  throw notUnderstood(reply);
}

export function parseHeartbeat(reply: unknown, bucket: number): HeartbeatReply {
  const [kind, ...rest] = items(reply);
  if (kind === "format") return { kind };
  if (kind !== "alive") throw notUnderstood(reply);
  const [clock, birth, replicationId, floor, fences, born, at, count, ...more] = rest;
  const applied = more.slice(0, Number(count)).map((offset) => (offset === "" ? undefined : Number(offset)));
  return {
    kind,
    clock: Number(clock),
    birth: Number(birth),
    replicationId: Number(replicationId),
    floor: Number(floor),
    fences: Number(fences),
    born: born === 1,
    at: Number(at),
    applied,
    drains: drainsOf(more.slice(Number(count)), bucket),
  };
}

export function parseConfirm(reply: unknown): ConfirmReply {
  const [kind, at, birth, replicationId, holds, confirmedAt, ...applied] = items(reply);
  if (kind === "lost" || kind === "format") return { kind };
  if (kind !== "standing") throw notUnderstood(reply);
  return {
    kind,
    moment: { at: Number(at), birth: Number(birth), replicationId: Number(replicationId) },
    holds: holds === 1,
    applied: applied.map((offset) => (offset === "" ? undefined : Number(offset))),
    ...(confirmedAt === "" ? {} : { confirmedAt: Number(confirmedAt) }),
  };
}

export function parseAttach(reply: unknown): AttachReply {
  const [kind, previous, barrier] = items(reply);
  if (kind === "format") return { kind };
  if (kind !== "attached") throw notUnderstood(reply);
  return { kind, barrier: barrier === 1, ...(previous === "" ? {} : { previous: Number(previous) }) };
}

/** The deployment record as HASH fields. */
export function dealRecord(record: DeploymentRecord): string[] {
  const fields: Record<string, string | undefined> = {
    format: String(record.format),
    id: record.id,
    buckets: String(record.buckets),
    entryPrefix: record.entryPrefix,
    dependencyPrefixes: JSON.stringify(record.dependencyPrefixes),
    foreignWriters: String(record.foreignWriters),
    group: record.group,
  };
  return Object.entries(fields).flatMap(([field, value]) => (value === undefined ? [] : [field, value]));
}

export function readRecord(reply: unknown): DeploymentRecord | NewerDeployment {
  const flat = items(reply).map(String);
  const fields = new Map(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ""] as const] : [])));
  const field = (name: string): string => fields.get(name) ?? damaged(name);
  const format = Number(field("format"));
  if (format > wireFormat) return { kind: "format", format };
  const group = fields.get("group");
  const [prefix, ...prefixes] = parseList(field("dependencyPrefixes")) ?? [];
  return {
    format,
    id: field("id"),
    buckets: Number(field("buckets")),
    entryPrefix: field("entryPrefix"),
    dependencyPrefixes: [prefix ?? damaged("dependencyPrefixes"), ...prefixes],
    foreignWriters: field("foreignWriters") === "true",
    ...(group === undefined ? {} : { group }),
  };
}

function damaged(field: string): never {
  throw cacheError(
    "UNSTALE_CONFIG_MISMATCH",
    `unstale:config has no field "${field}" that can be read: it is damaged or not ours. Delete the key to have it written anew.`,
  );
}

export function parseServerInfo(info: string): ServerInfo {
  const fields = new Map<string, string>();
  for (const line of info.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  const valkey = fields.get("valkey_version");
  const role = fields.get("role");
  const policy = fields.get("maxmemory_policy");
  const memory = fields.get("maxmemory");
  return {
    product: valkey !== undefined ? "valkey" : fields.has("redis_version") ? "redis" : "unknown",
    version: valkey ?? fields.get("redis_version") ?? "unknown",
    role: role === "master" ? "master" : role === "slave" ? "replica" : "unknown",
    ...(policy === undefined ? {} : { memoryPolicy: policy }),
    ...(memory === undefined ? {} : { maxMemory: Number(memory) }),
    replicas: Number(fields.get("connected_slaves") ?? 0),
    clusterEnabled: fields.get("cluster_enabled") === "1",
  };
}

/** What is true of all primaries of a cluster together: the least of each. */
export function joinServerInfos([first, ...others]: readonly [ServerInfo, ...ServerInfo[]]): ServerInfo {
  if (others.length === 0) return first;
  const all = [first, ...others];
  const limits = all.flatMap(({ maxMemory }) => (maxMemory === undefined ? [] : [maxMemory]));
  const oldest = all.reduce((one, other) => (isOlder(other.version, one.version) ? other : one));
  return {
    ...first,
    product: oldest.product,
    version: oldest.version,
    role: all.find(({ role }) => role !== "master")?.role ?? "master",
    ...(limits.length === all.length ? { maxMemory: Math.min(...limits) } : {}),
    replicas: Math.min(...all.map(({ replicas }) => replicas)),
    primaries: all.length,
  };
}

function isOlder(one: string, other: string): boolean {
  return one.localeCompare(other, "en", { numeric: true }) < 0;
}

/** As the scripts read it: the first 52 bits of the server's replication id, 0 where it is not told. */
export function parseReplicationId(info: unknown): number {
  const digits = /^master_replid:([0-9a-f]{13})/m.exec(String(info))?.[1];
  return digits === undefined ? 0 : Number.parseInt(digits, 16);
}

/**
 * `<replication id>:<cursor of SCAN>:<server>`: the port's cursor, which is void on another server (H12). Of the servers of
 * a cluster those that come before this one are done.
 */
export function sweepCursor(replicationId: number, cursor: string, server = ""): string {
  return `${replicationId}:${cursor}:${server}`;
}

export interface SweepPosition {
  readonly from: string;
  readonly server?: number;
  readonly place: string;
}

export function parseSweepCursor(cursor: string): SweepPosition {
  const [server, from, ...place] = cursor.split(":");
  return from === undefined ? { from: cursor, place: "" } : { from, server: Number(server), place: place.join(":") };
}
