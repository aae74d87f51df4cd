// The peers' packages lie in a folder of their own and have no types here: what is used of them is said here.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

interface Address {
  readonly host: string;
  readonly port: number;
  readonly db: number;
}

export interface IoredisClient {
  disconnect(): void;
}

export interface BentoCache {
  set(options: {
    readonly key: string;
    readonly value: unknown;
    readonly tags: readonly string[];
    readonly ttl: string;
  }): Promise<unknown>;
  get(options: { readonly key: string }): Promise<unknown>;
  getOrSet<T>(options: {
    readonly key: string;
    readonly ttl: string;
    readonly tags: readonly string[];
    readonly factory: () => Promise<T>;
  }): Promise<T>;
  deleteByTag(options: { readonly tags: readonly string[] }): Promise<unknown>;
  disconnectAll(): Promise<unknown>;
}

interface Bentostore {
  useL2Layer(driver: unknown): Bentostore;
}

export interface Cacheable {
  get<T>(key: string): Promise<T | undefined>;
  set(
    key: string,
    value: unknown,
    options: { readonly ttl: string | number; readonly tags: readonly string[] },
  ): Promise<unknown>;
  readonly tags: { invalidateTags(tags: readonly string[]): Promise<unknown> };
  disconnect(): Promise<unknown>;
}

export interface DedupedCache {
  define(
    name: string,
    options: {
      readonly references: (argument: never) => readonly string[];
      readonly serialize: (argument: never) => string;
    },
    original: (argument: never) => Promise<unknown>,
  ): void;
  invalidateAll(references: readonly string[]): Promise<unknown>;
}

export interface DedupeStorage {
  set(key: string, value: unknown, ttlSeconds: number, references: readonly string[]): Promise<unknown>;
  get(key: string): Promise<unknown>;
  invalidate(references: readonly string[]): Promise<unknown>;
}

export interface EnvelopCache {
  set(
    key: string,
    result: { readonly data: unknown },
    entities: Iterable<{ readonly typename: string; readonly id: string }>,
    ttlMs: number,
  ): Promise<unknown>;
  get(key: string): Promise<{ readonly data: unknown } | undefined>;
  invalidate(entities: Iterable<{ readonly typename: string; readonly id: string }>): Promise<unknown>;
}

export interface Enveloped {
  readonly schema: unknown;
  contextFactory(context: object): unknown;
  execute(call: {
    readonly schema: unknown;
    readonly document: unknown;
    readonly rootValue: unknown;
    readonly variableValues: object;
    readonly contextValue: unknown;
  }): Promise<{ readonly data?: unknown; readonly errors?: readonly Error[] }>;
}

export interface PeerModules {
  readonly Redis: new (address: Address) => IoredisClient;
  readonly BentoCache: new (options: object) => BentoCache;
  bentostore(): Bentostore;
  redisDriver(options: { readonly connection: Address }): unknown;
  readonly Cacheable: new (options: object) => Cacheable;
  readonly Keyv: new (options: object) => unknown;
  readonly KeyvValkey: new (url: string) => unknown;
  readonly asyncCacheDedupe: {
    createCache(options: object): DedupedCache;
    createStorage(type: "redis", options: object): DedupeStorage;
  };
  createRedisCache(options: { readonly redis: IoredisClient }): EnvelopCache;
  useResponseCache(options: object): unknown;
  envelop(options: { readonly plugins: readonly unknown[] }): (context: object) => Enveloped;
  useEngine(engine: object): unknown;
  useSchema(schema: unknown): unknown;
  readonly graphql: {
    buildSchema(text: string): unknown;
    parse(text: string): unknown;
    readonly [name: string]: unknown;
  };
}

export async function loadPeers(folder: string): Promise<PeerModules> {
  const module: unknown = await import(pathToFileURL(join(folder, "peers.js")).href);
  if (!isPeers(module)) throw new Error(`${folder} holds something else than the peers; remove it.`);
  return module;
}

function isPeers(module: unknown): module is PeerModules {
  return typeof module === "object" && module !== null && "BentoCache" in module && "envelop" in module;
}
