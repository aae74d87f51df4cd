import { type CacheStore, createMemoryStore, type KeyLayout, type Keys, type StorePolicy } from "@unstale/cache-core";
import type { Image } from "./image.ts";
import type { RawCommand } from "./step.ts";

/** Where the steps run. Time, replication id and nonces are what the world says. */
export interface Machine {
  readonly store: CacheStore;
  readonly keys: Keys;
  readonly world: Injection;
  raw(command: RawCommand): Promise<unknown>;
  image(): Promise<Image>;
  restore(image: Image): Promise<void>;
  close(): Promise<void>;
}

export interface Injection {
  now: number;
  replicationId: number;
  nonce: number;
  /** Whether a nonce was asked for. */
  nonceTaken: boolean;
}

export interface MachineOptions {
  readonly layout?: Partial<KeyLayout>;
  readonly policy?: Partial<StorePolicy>;
  readonly setMaxListpackEntries?: number;
}

/** All members of every set are looked at: random ones would not be the same on another store. */
export const sampling = 1_000;

export function injection(): Injection {
  return { now: 0, replicationId: 0, nonce: 0, nonceTaken: false };
}

export function injected(world: Injection) {
  return {
    now: () => world.now,
    replicationId: () => world.replicationId,
    nonce: () => {
      world.nonceTaken = true;
      return world.nonce;
    },
    sampling,
  };
}

export function memoryMachine(options: MachineOptions): Machine {
  const world = injection();
  const store = createMemoryStore({
    layout: options.layout,
    policy: options.policy,
    setMaxListpackEntries: options.setMaxListpackEntries,
    clock: { now: () => world.now / 1_000 },
    injected: injected(world),
  });
  const { keyspace, keys } = store;

  function raw(command: RawCommand): unknown {
    switch (command.name) {
      case "HSET":
        return keyspace.hset(command.key, command.fields);
      case "PEXPIRE":
        return keyspace.pexpire(command.key, command.ms);
      case "SADD":
        return keyspace.sadd(command.key, command.member);
      case "SMEMBERS":
        return keyspace.smembers(command.key);
      case "DEL":
      case "UNLINK":
        return keyspace.del(...command.keys);
      case "GET":
        return keyspace.get(command.key);
      case "SET":
        return keyspace.set(command.key, command.text);
      case "ZADD":
        return keyspace.zadd(command.key, { [command.member]: command.score });
      case "FLUSHDB":
        return keyspace.flush();
    }
  }

  return {
    store,
    keys,
    world,
    raw: async (command) => raw(command),
    image: async () => {
      keyspace.keys(); // Drops what has expired.
      return keyspace.snapshot();
    },
    restore: async (image) => keyspace.restore(image),
    close: () => store.close(),
  };
}
