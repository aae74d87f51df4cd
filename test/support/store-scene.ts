// A cache store with hands on its keys: what the contract suite and the differential test play with. The server's time,
// its replication id and the nonces are injected and can be changed; keys can be touched as any other client could.
import {
  type CacheStore,
  type CommitReply,
  type CommitRequest,
  createKeys,
  createMemoryStore,
  createValkeyStore,
  defaultLayout,
  type Injected,
  type InvalidateReply,
  type InvalidateRequest,
  type Keys,
  type MemoryStore,
  type ReadReply,
  type Snapshot,
  type StorePolicy,
} from "@unstale/cache-core";
import { Cluster, Redis } from "iovalkey";

export { Cluster, Redis };

/** Everything that a program without our library could do to the keys. */
export interface RawKeys {
  get(key: string): Promise<string | undefined>;
  set(key: string, text: string): Promise<void>;
  incr(key: string): Promise<void>;
  hset(key: string, fields: Readonly<Record<string, string>>): Promise<void>;
  hgetall(key: string): Promise<Record<string, string>>;
  hdel(key: string, field: string): Promise<void>;
  sadd(key: string, ...members: readonly string[]): Promise<void>;
  srem(key: string, member: string): Promise<void>;
  /** Sorted, so that it can be compared. */
  smembers(key: string): Promise<string[]>;
  zadd(key: string, member: string, score: number): Promise<void>;
  zrem(key: string, member: string): Promise<void>;
  zscore(key: string, member: string): Promise<number | undefined>;
  zgetall(key: string): Promise<Record<string, number>>;
  del(key: string): Promise<void>;
  exists(key: string): Promise<boolean>;
  type(key: string): Promise<string>;
  pttl(key: string): Promise<number>;
  pexpire(key: string, ms: number): Promise<void>;
  keys(): Promise<string[]>;
  flush(): Promise<void>;
  /** What a replica would have now; the function brings the keyspace back to it. */
  snapshot(): Promise<() => Promise<void>>;
}

/** The server as the scripts see it. */
export interface World {
  /** Microseconds. */
  now: number;
  replicationId: number;
  nonce: number;
}

export interface SceneOptions {
  readonly policy?: Partial<StorePolicy>;
  /** Random members that a commit looks at in each set. Default 0: nothing is left to chance. */
  readonly sampling?: number;
}

/** Makes an empty keyspace with a store on it. */
export type MakeScene = (options?: SceneOptions) => Promise<Scene>;

export interface Write {
  readonly sources?: readonly string[];
  readonly response?: string;
  readonly namespace?: string;
  readonly ttlMs?: number;
  readonly codec?: string;
  readonly sourceVersions?: Readonly<Record<string, number>>;
  /** Default: one taken just before. */
  readonly lease?: CommitRequest["lease"];
}

export type Applied = Extract<InvalidateReply, { kind: "applied" }>;

export interface Scene {
  readonly store: CacheStore;
  readonly raw: RawKeys;
  readonly keys: Keys;
  readonly bucket: number;
  readonly world: World;
  open(namespace?: string): Promise<Snapshot>;
  /** Follows the version tags, as every caller does. */
  read(query: string, namespace?: string): Promise<ReadReply>;
  write(query: string, write?: Write): Promise<CommitReply>;
  /** The key that an entry of the versions of now has. */
  keyOf(query: string, namespace?: string): Promise<string>;
  invalidate(request: Partial<InvalidateRequest>): Promise<InvalidateReply>;
  /** Documents change; the reply must be that it was applied. */
  change(...ids: readonly string[]): Promise<Applied>;
  /** The dependency set of a document; the second prefix is that of foreign writers. */
  setOf(document: string, prefix?: 0 | 1): string;
  /** An entry of the plain schema: HSET, EXPIRE, SADD. Returns its key. */
  plain(query: string, options: { sources: readonly string[]; prefix?: 0 | 1; key?: string }): Promise<string>;
  /** Drains until it is finished. Returns how many entries were deleted. */
  drainAll(reply: Applied, count?: number): Promise<number>;
}

export const minute = 60_000;

interface Parts {
  readonly store: CacheStore;
  readonly raw: RawKeys;
  readonly keys: Keys;
  readonly bucket: number;
  readonly world: World;
}

export function newWorld(): World {
  return { now: 1_790_000_000_000_000, replicationId: 11, nonce: 2 ** 51 };
}

export function injectedFrom(world: World, sampling = 0): Injected {
  return {
    now: () => world.now,
    replicationId: () => world.replicationId,
    nonce: () => {
      world.nonce += 1_000;
      return world.nonce;
    },
    sampling,
  };
}

export function createScene(parts: Parts): Scene {
  const { store, raw, keys, bucket } = parts;
  const setOf = (document: string, prefix = 0): string => keys.dependencySets(bucket, document)[prefix] ?? "";

  const open = async (namespace?: string): Promise<Snapshot> => {
    const reply = await store.open({ bucket, namespace });
    if (reply.kind !== "open") throw new Error(`open: ${reply.kind}`);
    return reply.snapshot;
  };
  const read = async (query: string, namespace?: string): Promise<ReadReply> => {
    const reply = await store.read({ bucket, namespace, query, versions: [] });
    return reply.kind === "moved" ? store.read({ bucket, namespace, query, versions: reply.versions }) : reply;
  };
  const keyOf = async (query: string, namespace?: string): Promise<string> => {
    const versions = await Promise.all(keys.versionCounters({ bucket, namespace }).map((key) => raw.get(key)));
    return keys.entry({ bucket, namespace }, query, versions.map(String));
  };
  const invalidate = (request: Partial<InvalidateRequest>): Promise<InvalidateReply> =>
    store.invalidate({ bucket, documents: [], scopes: [], ...request });

  return {
    ...parts,
    open,
    read,
    keyOf,
    invalidate,
    setOf,
    write: async (query, { sources = ["article:1"], response = `to ${query}`, lease, namespace, ...rest } = {}) =>
      store.commit({
        bucket,
        namespace,
        query,
        response,
        sources,
        ttlMs: minute,
        lease: lease ?? (await open(namespace)),
        ...rest,
      }),
    change: async (...ids) => {
      const reply = await invalidate({ documents: ids.map((id) => ({ id })) });
      if (reply.kind !== "applied") throw new Error(`invalidate: ${reply.kind}`);
      return reply;
    },
    plain: async (query, { sources, prefix = 0, key }) => {
      const counter = keys.versionCounters({ bucket })[0];
      if (!(await raw.exists(counter))) await raw.set(counter, "41");
      const name = key ?? (await keyOf(query));
      await raw.hset(name, { query, response: `plain ${query}`, sources: JSON.stringify(sources) });
      await raw.pexpire(name, minute);
      await Promise.all(sources.map((source) => raw.sadd(setOf(source, prefix), name)));
      return name;
    },
    drainAll: async ({ drains }, count = 100) => {
      let deleted = 0;
      for (const drain of drains) {
        let position: { cursor: string; replicationId?: number } = { cursor: "0" };
        for (let steps = 1; steps === 1 || position.cursor !== "0"; steps += 1) {
          const reply = await store.drain({ drain, count, ...position });
          if (!("cursor" in reply) || steps > 1_000) throw new Error(`drain: ${reply.kind} after ${steps} steps`);
          deleted += reply.deleted;
          position = reply;
        }
      }
      return deleted;
    },
  };
}

/** On `{n}` tags with four buckets the scenes play in bucket 2. */
const layoutOf = (buckets: number) => ({ ...defaultLayout, buckets });
const bucketOf = (buckets: number): number => (buckets === 1 ? 0 : 2);

export function memoryScenes(buckets = 1): MakeScene {
  return async ({ policy = {}, sampling } = {}) => {
    const world = newWorld();
    const store = createMemoryStore({ layout: layoutOf(buckets), policy, injected: injectedFrom(world, sampling) });
    const raw = rawMemory(store.keyspace);
    return createScene({ store, raw, keys: store.keys, bucket: bucketOf(buckets), world });
  };
}

/** `client` is of a server or cluster of the caller's own: every scene begins by emptying it. */
export function valkeyScenes(client: () => Redis | Cluster, buckets = 1): MakeScene {
  return async ({ policy = {}, sampling } = {}) => {
    const world = newWorld();
    const raw = rawValkey(client());
    await raw.flush();
    const store = createValkeyStore({
      // iovalkey's overloads say the same in more ways than the port needs.
      valkey: client() as unknown as Parameters<typeof createValkeyStore>[0]["valkey"],
      layout: layoutOf(buckets),
      policy,
      injected: injectedFrom(world, sampling),
    });
    return createScene({ store, raw, keys: createKeys(layoutOf(buckets)), bucket: bucketOf(buckets), world });
  };
}

function rawMemory(keyspace: MemoryStore["keyspace"]): RawKeys {
  return {
    get: async (key) => keyspace.get(key),
    set: async (key, text) => keyspace.set(key, text),
    incr: async (key) => void keyspace.incr(key),
    hset: async (key, fields) => keyspace.hset(key, fields),
    hgetall: async (key) => keyspace.hgetall(key),
    hdel: async (key, field) => keyspace.hdel(key, field),
    sadd: async (key, ...members) => keyspace.sadd(key, ...members),
    srem: async (key, member) => keyspace.srem(key, member),
    smembers: async (key) => keyspace.smembers(key).sort(),
    zadd: async (key, member, score) => keyspace.zadd(key, new Map([[member, score]])),
    zrem: async (key, member) => keyspace.zrem(key, member),
    zscore: async (key, member) => keyspace.zscore(key, member),
    zgetall: async (key) => {
      const members = keyspace.zrange(key, { max: Number.POSITIVE_INFINITY, count: 1_000 });
      return Object.fromEntries(members.map((member) => [member, keyspace.zscore(key, member) ?? Number.NaN]));
    },
    del: async (key) => void keyspace.del(key),
    exists: async (key) => keyspace.exists(key),
    type: async (key) => keyspace.type(key),
    pttl: async (key) => keyspace.pttl(key),
    pexpire: async (key, ms) => void keyspace.pexpire(key, ms),
    keys: async () => keyspace.keys().sort(),
    flush: async () => keyspace.flush(),
    snapshot: async () => {
      const taken = keyspace.snapshot();
      return async () => keyspace.restore(taken);
    },
  };
}

export function rawValkey(client: Redis | Cluster): RawKeys {
  const servers = (): Redis[] => (client instanceof Cluster ? client.nodes("master") : [client]);
  const keys = async (): Promise<string[]> => (await Promise.all(servers().map((server) => server.keys("*")))).flat();
  const flush = async (): Promise<void> => void (await Promise.all(servers().map((server) => server.flushall("SYNC"))));
  return {
    get: async (key) => (await client.get(key)) ?? undefined,
    set: async (key, text) => void (await client.set(key, text)),
    incr: async (key) => void (await client.incr(key)),
    hset: async (key, fields) => void (await client.hset(key, fields)),
    hgetall: (key) => client.hgetall(key),
    hdel: async (key, field) => void (await client.hdel(key, field)),
    sadd: async (key, ...members) => void (await client.sadd(key, ...members)),
    srem: async (key, member) => void (await client.srem(key, member)),
    smembers: async (key) => (await client.smembers(key)).sort(),
    zadd: async (key, member, score) => void (await client.zadd(key, score, member)),
    zrem: async (key, member) => void (await client.zrem(key, member)),
    zscore: async (key, member) => {
      const score = await client.zscore(key, member);
      return score === null ? undefined : Number(score);
    },
    zgetall: async (key) => {
      const flat = await client.zrange(key, 0, 999, "WITHSCORES");
      return Object.fromEntries(flat.flatMap((text, at) => (at % 2 === 0 ? [[text, Number(flat[at + 1])]] : [])));
    },
    del: async (key) => void (await client.del(key)),
    exists: async (key) => (await client.exists(key)) === 1,
    type: (key) => client.type(key),
    pttl: (key) => client.pttl(key),
    pexpire: async (key, ms) => void (await client.pexpire(key, ms)),
    keys: async () => (await keys()).sort(),
    flush,
    snapshot: async () => {
      const names = await keys();
      const taken = await Promise.all(
        names.map(async (key) => ({ key, ttl: await client.pttl(key), dump: await client.dumpBuffer(key) })),
      );
      return async () => {
        await flush();
        for (const { key, ttl, dump } of taken) await client.restore(key, Math.max(ttl, 0), dump);
      };
    },
  };
}

/** Every key with its value, and whether it expires: two stores that did the same have the same. */
export async function contentOf(raw: RawKeys, only: (key: string) => boolean = () => true): Promise<unknown> {
  const values = {
    string: raw.get,
    hash: raw.hgetall,
    set: raw.smembers,
    zset: raw.zgetall,
  };
  const found = (await raw.keys()).filter(only);
  const described = found.map(async (key) => {
    const type = (await raw.type(key)) as keyof typeof values;
    // To the next ten minutes: two stores do not work equally fast.
    const expires = Math.ceil((await raw.pttl(key)) / 600_000);
    return [key, { type, expires, value: await values[type](key) }] as const;
  });
  return Object.fromEntries(await Promise.all(described));
}
