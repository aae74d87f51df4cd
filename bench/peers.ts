// The peers, at the level of their stores: what a write, a hit and an invalidation cost. Each as its documentation sets it up,
// on Valkey alone: what lies in the memory of one process is another comparison.
import { loadPeers, type PeerModules } from "../dev/peers/modules.ts";
import { fetchPeers } from "../dev/peers/packages.ts";
import type { Lab } from "./bench.ts";

export interface Peer {
  readonly name: string;
  set(key: string, value: string, tags: readonly string[]): Promise<unknown>;
  /** The value, or something falsy. */
  get(key: string): Promise<unknown>;
  invalidate(tag: string): Promise<unknown>;
  close(): Promise<unknown>;
}

/** The peers, or none where they cannot be fetched. */
export async function openPeers(lab: Lab, port: number): Promise<readonly Peer[]> {
  const folder = await fetchPeers((line) => lab.say(line));
  if (folder === undefined) return [];
  const modules = await loadPeers(folder);
  const peers = [bentocache, cacheable, dedupe, envelop].map((open) =>
    open(modules, { host: "127.0.0.1", port, db: 0 }),
  );
  for (const peer of peers) lab.onEnd(() => peer.close().then(() => undefined));
  return peers;
}

interface Address {
  readonly host: string;
  readonly port: number;
  readonly db: number;
}

function bentocache({ BentoCache, bentostore, redisDriver }: PeerModules, connection: Address): Peer {
  const stores = { one: bentostore().useL2Layer(redisDriver({ connection })) };
  const cache = new BentoCache({ default: "one", stores });
  return {
    name: "bentocache",
    set: (key, value, tags) => cache.set({ key, value, tags, ttl: "1h" }),
    get: (key) => cache.get({ key }),
    invalidate: (tag) => cache.deleteByTag({ tags: [tag] }),
    close: () => cache.disconnectAll(),
  };
}

function cacheable({ Cacheable, Keyv, KeyvValkey }: PeerModules, { host, port }: Address): Peer {
  const primary = new Keyv({ store: new KeyvValkey(`redis://${host}:${port}`) });
  const cache = new Cacheable({ tags: true, primary });
  return {
    name: "cacheable",
    set: (key, value, tags) => cache.set(key, value, { ttl: 3_600_000, tags }),
    get: (key) => cache.get(key),
    invalidate: (tag) => cache.tags.invalidateTags([tag]),
    close: () => cache.disconnect(),
  };
}

function dedupe({ Redis, asyncCacheDedupe }: PeerModules, address: Address): Peer {
  const client = new Redis(address);
  const storage = asyncCacheDedupe.createStorage("redis", { client, invalidation: { referencesTTL: 3_600 } });
  return {
    name: "async-cache-dedupe",
    set: (key, value, tags) => storage.set(key, value, 3_600, tags),
    get: (key) => storage.get(key),
    invalidate: (tag) => storage.invalidate([tag]),
    close: async () => client.disconnect(),
  };
}

function envelop({ Redis, createRedisCache }: PeerModules, address: Address): Peer {
  const redis = new Redis(address);
  const cache = createRedisCache({ redis });
  const entity = (id: string) => ({ typename: "Doc", id });
  return {
    name: "envelop",
    set: (key, value, tags) => cache.set(key, { data: value }, tags.map(entity), 3_600_000),
    get: async (key) => (await cache.get(key))?.data,
    invalidate: (id) => cache.invalidate([entity(id)]),
    close: async () => redis.disconnect(),
  };
}

/** What anybody expects of a cache with tags: a hit, and after an invalidation none. */
export async function peerWorks(peer: Peer): Promise<boolean> {
  await peer.set("works", "yes", ["tag:works"]);
  if ((await peer.get("works")) !== "yes") return false;
  await peer.invalidate("tag:works");
  return !(await peer.get("works"));
}
