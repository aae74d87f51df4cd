import {
  type CacheStore,
  createKeys,
  createValkeyStore,
  defaultLayout,
  type ReadyClient,
  type SweepReply,
  type SweepRequest,
} from "@unstale/cache-core";
import type { Image, Slot, Value } from "./image.ts";
import { type Injection, injected, injection, type Machine, type MachineOptions } from "./machine.ts";
import type { RespClient } from "./resp.ts";
import { type ServerAddress, type Wires, wire } from "./resp-cluster.ts";
import type { RawCommand } from "./step.ts";

export interface ValkeyMachineOptions extends MachineOptions {
  readonly server: ServerAddress;
  /** Changes the scripts: how a mutant is made. On a server that stands alone. */
  readonly patch?: (script: string) => string;
}

/** Everything in the database, in the order in which it can be written again. */
const dump = `#!lua flags=no-writes,allow-cross-slot-keys
local reply = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  local value
  if kind == 'string' then value = { redis.call('GET', key) }
  elseif kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  else value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end
  reply[#reply + 1] = { key, kind, redis.call('PTTL', key), value }
end
return reply`;

/** What is left of a TTL is told in steps of this: what a run takes of it must not make states differ. */
export const ttlStepMs = 600_000;

/** The real scripts on a real server or cluster, which must be nobody else's: it is emptied again and again. */
export async function valkeyMachine(options: ValkeyMachineOptions): Promise<Machine> {
  const world = injection();
  const wires = await wire(options.server);
  const [first] = wires.all;
  const store = createValkeyStore({
    valkey: options.patch && first ? patching(first, options.patch) : wires.target,
    layout: options.layout,
    policy: options.policy,
    injected: injected(world),
    timeoutMs: 60_000,
  });
  const keys = createKeys({ ...defaultLayout, ...options.layout });
  const onAll = <T>(work: (client: RespClient) => Promise<T>): Promise<T[]> => Promise.all(wires.all.map(work));
  const entries = options.setMaxListpackEntries ?? 128;
  await onAll((client) => client.call("CONFIG", "SET", "set-max-listpack-entries", entries));
  const [dumpSha = ""] = await onAll(async (client) => String(await client.call("SCRIPT", "LOAD", dump)));

  return {
    store: wires.all.length === 1 ? store : { ...store, sweep: (request) => sweepAll(store, request) },
    keys,
    world,
    raw: (command) => send(wires, command),
    image: async () => {
      const dumped = await onAll(async (client) => (await client.evalsha(dumpSha, 0)) as Dumped[]);
      return imageOf(dumped.flat(), world);
    },
    restore: async (image) => {
      const emptied = onAll((client) => client.call("FLUSHDB"));
      const written = [...image.slots].flatMap((entry) => write(wires.at(entry[0]), entry, world));
      await Promise.all([emptied, ...written]);
    },
    close: async () => {
      await store.close();
      for (const client of wires.all) client.close();
    },
  };
}

/** Scripts are recognised by their hash; the first of each is sent whole, and changed then. */
function patching(client: RespClient, patch: (script: string) => string): ReadyClient {
  const known = new Map<string, string>();
  let asked = "";
  return {
    status: "ready",
    call: (command, ...words) => client.call(command, ...words),
    evalsha: async (sha, keys, ...words) => {
      const other = known.get(sha);
      if (other !== undefined) return client.evalsha(other, keys, ...words);
      asked = sha;
      throw Object.assign(new Error("NOSCRIPT"), { name: "ReplyError" });
    },
    eval: async (script, keys, ...words) => {
      const sha = asked;
      const other = String(await client.call("SCRIPT", "LOAD", patch(script)));
      known.set(sha, other);
      return client.evalsha(other, keys, ...words);
    },
    once: () => undefined,
    removeListener: () => undefined,
  };
}

function send(wires: Wires, command: RawCommand): Promise<unknown> {
  switch (command.name) {
    case "FLUSHDB":
      return Promise.all(wires.all.map((client) => client.call("FLUSHDB")));
    case "DEL":
    case "UNLINK":
      return Promise.all(command.keys.map((key) => wires.at(key).call(command.name, key)));
    default:
      return sendTo(wires.at(command.key), command);
  }
}

type OfOneKey = Exclude<RawCommand, { readonly name: "FLUSHDB" | "DEL" | "UNLINK" }>;

function sendTo(client: RespClient, command: OfOneKey): Promise<unknown> {
  switch (command.name) {
    case "HSET":
      return client.call("HSET", command.key, ...Object.entries(command.fields).flat());
    case "PEXPIRE":
      return client.call("PEXPIRE", command.key, command.ms);
    case "SADD":
      return client.call("SADD", command.key, command.member);
    case "SMEMBERS":
    case "GET":
      return client.call(command.name, command.key);
    case "SET":
      return client.call("SET", command.key, command.text);
    case "ZADD":
      return client.call("ZADD", command.key, command.score, command.member);
  }
}

/** Memory has one keyspace: a step of its scan is one of each server. */
async function sweepAll(store: CacheStore, request: SweepRequest): Promise<SweepReply> {
  let [scanned, deleted] = [0, 0];
  for (let cursor = request.cursor; ; ) {
    const reply = await store.sweep({ ...request, cursor });
    if (reply.kind === "format") return reply;
    scanned += reply.scanned;
    deleted += reply.deleted;
    if (reply.cursor === "0") return { ...reply, scanned, deleted };
    cursor = reply.cursor;
  }
}

type Dumped = readonly [key: string, type: Value["type"], ttl: number, value: readonly string[]];

function imageOf(dumped: readonly Dumped[], { now }: Injection): Image {
  const slots = new Map<string, Slot>();
  for (const [sequence, [key, type, ttl, words]] of dumped.entries()) {
    const expiresAt = ttl < 0 ? undefined : now / 1_000 + Math.round(ttl / ttlStepMs) * ttlStepMs;
    slots.set(key, { value: dumpedValue(type, words), sequence, expiresAt });
  }
  return { slots };
}

function dumpedValue(type: Value["type"], words: readonly string[]): Value {
  switch (type) {
    case "string":
      return { type, text: words[0] ?? "" };
    case "hash":
      return { type, fields: new Map(pairs(words)) };
    case "set":
      return { type, members: new Set(words) };
    case "zset":
      return { type, scores: new Map(pairs(words).map(([member, score]) => [member, Number(score)])) };
  }
}

function pairs(words: readonly string[]): [string, string][] {
  return words.flatMap((word, index) => (index % 2 === 0 ? [[word, words[index + 1] ?? ""]] : []));
}

/** Writes one key as it was. */
export function write(
  client: Pick<ReadyClient, "call">,
  [key, { value, expiresAt }]: [string, Slot],
  { now }: Pick<Injection, "now">,
): Promise<unknown>[] {
  const ttl = expiresAt === undefined ? undefined : Math.round(expiresAt - now / 1_000);
  if (ttl !== undefined && ttl <= 0) return [];
  const written = client.call(...wordsOf(key, value));
  return ttl === undefined ? [written] : [written, client.call("PEXPIRE", key, ttl)];
}

function wordsOf(key: string, value: Value): [string, ...(string | number)[]] {
  switch (value.type) {
    case "string":
      return ["SET", key, value.text];
    case "hash":
      return ["HSET", key, ...[...value.fields].flat()];
    case "set":
      return ["SADD", key, ...value.members];
    case "zset":
      return ["ZADD", key, ...[...value.scores].flatMap(([member, score]) => [score, member])];
  }
}
