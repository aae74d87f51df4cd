import { parseStoredLease } from "./memory-entries.ts";
import {
  attempt,
  birth,
  counter,
  isNewer,
  type MemoryParts,
  numberOf,
  prune,
  raise,
  type Standing,
  snapshotOf,
} from "./memory-state.ts";
import type {
  AttachReply,
  AttachRequest,
  Drain,
  DrainReply,
  DrainRequest,
  HeartbeatReply,
  HeartbeatRequest,
  InvalidateReply,
  InvalidateRequest,
  OpenReply,
  Scope,
  SweepReply,
  SweepRequest,
} from "./store.ts";
import { parseSweepCursor, sweepCursor } from "./valkey-replies.ts";

/** open.lua */
export function open(parts: MemoryParts, scope: Scope): OpenReply {
  const { keys, policy } = parts;
  const [time, nonce] = [parts.time(), parts.nonce()];
  const begun = birth(parts, scope.bucket, { time, nonce });
  if (begun === "format") return { kind: "format" };
  const versions = keys
    .versionCounters(scope)
    .map((key, index) => counter(parts, key, nonce - 3 - index, index > 0 ? policy.maxTtlMs : undefined));
  return { kind: "open", snapshot: snapshotOf(begun.state, versions, time) };
}

/** members.lua: nothing else is deleted, whatever an event or a foreign SADD names (H20). */
function isEntry({ keys }: MemoryParts, bucket: number, member: string): boolean {
  const { entryPrefix, buckets } = keys.layout;
  if (!member.startsWith(entryPrefix)) return false;
  const rest = member.slice(entryPrefix.length);
  if (rest === "version" || rest.startsWith("version:")) return false;
  return buckets === 1 || member.slice(member.indexOf("{")).startsWith(`{${bucket}}`);
}

/** invalidate.lua */
export function invalidate(parts: MemoryParts, request: InvalidateRequest): InvalidateReply {
  const { keyspace, keys } = parts;
  const { bucket, documents, position } = request;
  const [time, nonce] = [parts.time(), parts.nonce()];
  const begun = birth(parts, bucket, { time, nonce });
  if (begun === "format") return { kind: "format" };
  const { state, born } = begun;

  const applied = position && appliedOf(parts, bucket, keys.appliedField(position));
  if (position && applied !== undefined && applied < position.previous) return { kind: "rollback", applied };
  const isForgotten = position !== undefined && applied === undefined && position.previous > 0;
  const barrier = request.barrier === true || isForgotten;

  const stamp = Math.max(time, state.clock + 1);
  setFences(parts, request, { stamp, barrier });
  if (barrier) state.floor = stamp;
  const { deleted, taken } = takeSets(parts, request, { state, stamp });
  const drains = registerDrains(parts, request, taken);
  const raised = raiseScopes(parts, request, { applied, barrier, nonce });

  state.clock = stamp;
  const pruned = prune(parts, bucket, state, time);
  if (position) {
    const next = String(Math.max(applied ?? 0, position.next));
    keyspace.hset(keys.state(bucket), { [keys.appliedField(position)]: next });
  }
  return { kind: "applied", stamp, deleted, drains: documents.length > 0 ? drains : [], raised, pruned, born, barrier };
}

function appliedOf({ keyspace, keys }: MemoryParts, bucket: number, field: string): number | undefined {
  const reply = attempt(() => keyspace.hget(keys.state(bucket), field));
  if (!reply) keyspace.del(keys.state(bucket));
  return numberOf(reply?.value);
}

function setFences(
  { keyspace, keys }: MemoryParts,
  { bucket, documents }: InvalidateRequest,
  { stamp, barrier }: { readonly stamp: number; readonly barrier: boolean },
): void {
  const ids = documents.map(({ id }) => id);
  const members = [" clock", ...ids, ...(barrier ? [" floor"] : [])];
  keyspace.zadd(keys.fence(bucket), new Map(members.map((member) => [member, stamp])));
  for (const { id, version } of documents) {
    if (version !== undefined) keyspace.zadd(keys.documentVersions(bucket), new Map([[id, version]]), "GT");
  }
}

/** Document → tokens of the sets taken away in this call. */
type Taken = ReadonlyMap<string, readonly string[]>;

/** Small sets die here with their members; large ones, and those beyond the call's budget, wait to be drained. */
function takeSets(
  parts: MemoryParts,
  { bucket, documents }: InvalidateRequest,
  { state, stamp }: { readonly state: Standing; readonly stamp: number },
): { readonly deleted: number; readonly taken: Taken } {
  const { keyspace, keys, policy } = parts;
  const taken = new Map<string, string[]>();
  let [deleted, lookedAt] = [0, 0];
  const take = (id: string, set: string, prefix: number): void => {
    const size = attempt(() => keyspace.scard(set))?.value;
    if (size === undefined) keyspace.del(set);
    else if (size > 0 && size <= policy.inlineLimit && lookedAt + size <= policy.callBudget) {
      const entries = keyspace.smembers(set).filter((member) => isEntry(parts, bucket, member));
      deleted += keyspace.del(set, ...entries) - 1;
      lookedAt += size;
    } else if (size > 0) {
      const token = `${state.birth}.${state.replid}:${stamp}:${prefix + 1}`;
      const name = drainSet(parts, { bucket, document: id, token });
      keyspace.rename(set, name);
      keyspace.pexpire(name, policy.maxTtlMs, "NX");
      taken.set(id, [...(taken.get(id) ?? []), token]);
    }
  };
  for (const { id } of documents) {
    for (const [prefix, set] of keys.dependencySets(bucket, id).entries()) take(id, set, prefix);
  }
  return { deleted, taken };
}

function drainSet({ keys }: MemoryParts, { bucket, token, document }: Drain): string {
  return `${keys.drainPrefix(bucket)}${token}:${document}`;
}

/** Drains of these documents, those included that an earlier call registered (H11). */
function registerDrains(parts: MemoryParts, { bucket, documents }: InvalidateRequest, taken: Taken): Drain[] {
  const { keyspace, keys } = parts;
  const draining = keys.draining(bucket);
  if (documents.length === 0) return [];
  const ids = documents.map(({ id }) => id);
  const registered = attempt(() => keyspace.hmget(draining, ids))?.value;
  if (!registered) keyspace.del(draining);
  return ids.flatMap((document, index) => {
    const before = registered?.[index];
    const more = taken.get(document) ?? [];
    const tokens = [...(before === undefined ? [] : [before]), ...more].join(" ");
    if (more.length > 0) keyspace.hset(draining, { [document]: tokens });
    return tokens === "" ? [] : tokens.split(" ").map((token) => ({ bucket, document, token }));
  });
}

/** A replay does not raise versions again: they and `applied` are lost together or not at all. */
function raiseScopes(
  parts: MemoryParts,
  { bucket, scopes }: InvalidateRequest,
  { applied, barrier, nonce }: { applied: number | undefined; barrier: boolean; nonce: number },
): number {
  const { keys, policy } = parts;
  const global = keys.versionCounters({ bucket })[0];
  const due = scopes
    .filter(({ offset }) => offset === undefined || applied === undefined || offset >= applied)
    .map(({ namespace }) => keys.versionCounters({ bucket, namespace }).at(-1) ?? global);
  const counters = barrier ? [...due, global] : due;
  for (const [index, key] of counters.entries()) {
    raise(parts, key, nonce - 1 - index, key === global ? undefined : policy.maxTtlMs);
  }
  return counters.length;
}

/** drain.lua; the cursor is an index, since a taken set never changes. */
export function drain(parts: MemoryParts, request: DrainRequest): DrainReply {
  const { keyspace, keys } = parts;
  const { bucket, document, token } = request.drain;
  if (isNewer(parts, bucket)) return { kind: "format" };
  const replicationId = parts.replicationId();
  if (request.cursor !== "0" && request.replicationId !== replicationId) return { kind: "restart" };

  const set = drainSet(parts, request.drain);
  const { page, cursor } = scanSet(parts, set, request);
  let [deleted, kept] = [0, 0];
  for (const member of page.filter((name) => isEntry(parts, bucket, name))) {
    if (isYounger(parts, request.drain, member)) kept += 1;
    else deleted += keyspace.del(member);
  }
  if (cursor !== "0") return { kind: "more", cursor, replicationId, deleted, kept };

  keyspace.del(set);
  const tokens = attempt(() => keyspace.hget(keys.draining(bucket), document))?.value;
  if (tokens !== undefined) {
    const rest = tokens.split(" ").filter((other) => other !== token && other !== "");
    if (rest.length > 0) keyspace.hset(keys.draining(bucket), { [document]: rest.join(" ") });
    else keyspace.hdel(keys.draining(bucket), document);
  }
  return { kind: "finished", cursor, replicationId, deleted, kept };
}

/** Like Valkey, a small set is met whole, whatever the count. */
function scanSet(
  { keyspace, setMaxListpackEntries }: MemoryParts,
  set: string,
  { cursor, count }: DrainRequest,
): { readonly page: readonly string[]; readonly cursor: string } {
  const members = attempt(() => keyspace.smembers(set))?.value ?? [];
  const isSmall = members.length <= setMaxListpackEntries && members.every((member) => Buffer.byteLength(member) <= 64);
  const end = isSmall ? members.length : Number(cursor) + count;
  return { page: members.slice(Number(cursor), end), cursor: end < members.length ? String(end) : "0" };
}

/** Written again after the barrier: listed again, and the lease is of the same id and not older than the stamp. */
function isYounger({ keyspace, keys }: MemoryParts, { bucket, document, token }: Drain, member: string): boolean {
  const [set = ""] = keys.dependencySets(bucket, document);
  if (!attempt(() => keyspace.sismember(set, member))?.value) return false;
  const lease = parseStoredLease(attempt(() => keyspace.hget(member, "lease"))?.value);
  const [, birth, origin, stamp] = /^(\d+)\.(\d+):(\d+):/.exec(token) ?? [];
  if (!lease || stamp === undefined) return false;
  return lease.birth === Number(birth) && lease.replid === Number(origin) && lease.clock >= Number(stamp);
}

/** One step of a scan, as the store on Valkey does it. */
export function sweep(parts: MemoryParts, { namespace, cursor, count }: SweepRequest): SweepReply {
  const { keyspace, keys } = parts;
  const { from, server } = parseSweepCursor(cursor);
  const answering = parts.replicationId();
  const anew = { kind: "swept", cursor: sweepCursor(answering, "0"), scanned: 0, deleted: 0 } as const;
  if (from !== "0" && server !== answering) return anew;

  const prefix = keys.layout.entryPrefix + (namespace === undefined ? "" : `${namespace}:`);
  const page = keyspace.scan(from, count);
  const found = page.keys.filter((key) => key.startsWith(prefix));
  const entries = found.flatMap((key) => {
    const bucket = keys.bucketOfKey(key);
    const entry = bucket === undefined ? undefined : keys.parseEntry(bucket, key);
    return bucket !== undefined && entry ? [{ key, bucket, versions: entry.versions }] : [];
  });
  if (entries.some(({ bucket }) => isNewer(parts, bucket))) return { kind: "format" };
  // A key of the versions that are current was written after the barrier: it stays.
  const dead = entries.filter(({ bucket, versions }) => {
    const now = keyspace.mget(keys.versionCounters({ bucket, namespace })).join(".");
    return !versions || !`${versions}.`.startsWith(`${now}.`);
  });
  const next = page.cursor === "0" ? page.cursor : sweepCursor(answering, page.cursor);
  const deleted = keyspace.del(...dead.map(({ key }) => key));
  return { kind: "swept", cursor: next, scanned: found.length, deleted };
}

const mostDrainsTold = 100;

/** heartbeat.lua */
export function heartbeat(parts: MemoryParts, { bucket, partitions }: HeartbeatRequest): HeartbeatReply {
  const { keyspace, keys } = parts;
  const [at, nonce] = [parts.time(), parts.nonce()];
  const begun = birth(parts, bucket, { time: at, nonce });
  if (begun === "format") return { kind: "format" };
  const { state, born } = begun;
  counter(parts, keys.versionCounters({ bucket })[0], nonce - 1);
  prune(parts, bucket, state, at);
  const registered = attempt(() => keyspace.hgetall(keys.draining(bucket)))?.value ?? {};
  return {
    kind: "alive",
    applied: partitions.map((partition) =>
      numberOf(attempt(() => keyspace.hget(keys.state(bucket), keys.appliedField(partition)))?.value),
    ),
    clock: state.clock,
    birth: state.birth,
    replicationId: state.replid,
    floor: state.floor,
    fences: keyspace.zcard(keys.fence(bucket)) - 5,
    born,
    drains: Object.entries(registered)
      .slice(0, mostDrainsTold)
      .flatMap(([document, tokens]) => tokens.split(" ").map((token) => ({ bucket, document, token }))),
    at,
  };
}

/** attach.lua */
export function attach(parts: MemoryParts, request: AttachRequest): AttachReply {
  const { keyspace, keys } = parts;
  const { bucket, offset } = request;
  const [time, nonce] = [parts.time(), parts.nonce()];
  const begun = birth(parts, bucket, { time, nonce });
  if (begun === "format") return { kind: "format" };
  const { state } = begun;
  const previous = appliedOf(parts, bucket, keys.appliedField(request));
  const barrier = request.barrier !== false && previous !== undefined && previous > offset;
  if (barrier) {
    const stamp = Math.max(time, state.clock + 1);
    keyspace.zadd(keys.fence(bucket), { " clock": stamp, " floor": stamp });
    raise(parts, keys.versionCounters({ bucket })[0], nonce - 1);
  }
  keyspace.hset(keys.state(bucket), { [keys.appliedField(request)]: String(offset) });
  return { kind: "attached", ...(previous === undefined ? {} : { previous }), barrier };
}
