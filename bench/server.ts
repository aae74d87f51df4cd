import { type CacheStore, createValkeyStore, SmartCache, type ValkeyStoreOptions } from "@unstale/cache-core";
import type { ValkeyHandle } from "../dev/services/index.ts";
import { Redis, type RedisOptions } from "./client.ts";

/** What config/valkey.conf says about encodings; no limit on memory, since what is evicted is not timed. */
export const serverConfig = [
  "hash-max-listpack-value 16384",
  "set-max-listpack-entries 128",
  "set-max-listpack-value 128",
];

/** A Valkey, and everything that was connected to it. */
export interface Server {
  readonly url: string;
  readonly port: number;
  readonly pid: number | undefined;
  readonly chosen: string;
  /** A client that only this bench uses. */
  client(options?: RedisOptions): Redis;
  store(options?: Omit<ValkeyStoreOptions, "valkey">): CacheStore;
  cache(): SmartCache;
  /** For questions about the server that are not timed. */
  readonly admin: Redis;
  /** Empties it and gives the memory back. */
  empty(): Promise<void>;
  close(): Promise<void>;
}

export function openServer(valkey: ValkeyHandle): Server {
  const ends: (() => Promise<void> | void)[] = [];
  const client = (options: RedisOptions = {}): Redis => {
    const redis = new Redis(valkey.url, options);
    ends.push(() => redis.disconnect());
    return redis;
  };
  const admin = client();
  return {
    url: valkey.url,
    port: valkey.port,
    pid: valkey.pid,
    chosen: valkey.chosen,
    client,
    store: (options) => {
      // Longer than any pause of a machine that is busy with other things.
      const store = createValkeyStore({ timeoutMs: 60_000, ...options, valkey: valkey.url });
      ends.push(() => store.close());
      return store;
    },
    cache: () => {
      const cache = new SmartCache({ valkey: valkey.url, onWarning: () => undefined });
      ends.push(() => cache.close());
      return cache;
    },
    admin,
    empty: async () => {
      await admin.flushall("SYNC");
    },
    close: async () => {
      for (const end of ends.splice(0)) await end();
      await valkey.stop();
    },
  };
}

export interface Usage {
  /** Microseconds of the server's main thread: user and system. */
  readonly micros: number;
  readonly commands: number;
}

export async function usageOf(admin: Redis): Promise<Usage> {
  const text = await admin.info("cpu", "stats");
  const field = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(text)?.[1]);
  const micros = (field("used_cpu_user_main_thread") + field("used_cpu_sys_main_thread")) * 1e6;
  return { micros, commands: field("total_commands_processed") };
}

export async function memoryOf(admin: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await admin.info("memory"))?.[1]);
}

/** Keys of a pattern, counted by a scan. */
export async function countKeys(admin: Redis, pattern: string): Promise<number> {
  let count = 0;
  for await (const keys of admin.scanStream({ match: pattern, count: 5_000 })) count += keys.length;
  return count;
}
