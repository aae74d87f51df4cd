import { randomBytes } from "node:crypto";
import { type Clock, systemClock } from "./clock.ts";
import { wireFormat } from "./deployment.ts";
import { cacheError } from "./errors.ts";
import { createKeys, defaultLayout, type KeyLayout, type Keys } from "./keys.ts";
import { attach, drain, heartbeat, invalidate, open, sweep } from "./memory-changes.ts";
import { confirm } from "./memory-demands.ts";
import { commit, fillLock, read } from "./memory-entries.ts";
import { KeyspaceError, MemoryKeyspace } from "./memory-keyspace.ts";
import { type MemoryParts, numberOf } from "./memory-state.ts";
import type { CacheStore, DeploymentRecord, NewerDeployment, ServerInfo } from "./store.ts";
import { dealRecord, readRecord } from "./valkey-replies.ts";
import { defaultPolicy, type Injected, randomNonce, type StorePolicy } from "./valkey-store.ts";

export interface MemoryStoreOptions {
  readonly layout?: Partial<KeyLayout> | undefined;
  readonly policy?: Partial<StorePolicy> | undefined;
  readonly injected?: Injected | undefined;
  /** What keys expire by, and the server's time where none is injected. Default the system's. */
  readonly clock?: Pick<Clock, "now"> | undefined;
  /** As the setting of Valkey: dependency sets up to this size are drained in one step. Default 128. */
  readonly setMaxListpackEntries?: number | undefined;
}

/** A store whose keys can be touched as any client of a Valkey could touch them. */
export interface MemoryStore extends CacheStore {
  readonly keyspace: MemoryKeyspace;
  readonly keys: Keys;
}

/**
 * {@link CacheStore} in this process's memory: for tests of programs that use the cache, and for a laptop without Valkey.
 * The same steps with the same replies as on Valkey; nothing is shared between processes, and nothing survives this one.
 */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { clock = systemClock, injected = {} } = options;
  const keyspace = new MemoryKeyspace(() => clock.now());
  const keys = createKeys({ ...defaultLayout, ...options.layout });
  const replicationId = Number(randomBytes(8).readBigUInt64BE() >> 12n);
  const parts: MemoryParts = {
    keyspace,
    keys,
    policy: { ...defaultPolicy, ...options.policy },
    time: injected.now ?? ((): number => Math.floor(clock.now() * 1_000)),
    replicationId: injected.replicationId ?? ((): number => replicationId),
    nonce: injected.nonce ?? randomNonce,
    sampling: injected.sampling ?? 2,
    setMaxListpackEntries: options.setMaxListpackEntries ?? 128,
  };
  let isClosed = false;

  /** One synchronous block: nothing comes between its first look and its last write. */
  const step = async <T>(block: () => T): Promise<T> => {
    if (isClosed) throw cacheError("UNSTALE_CLOSED", "The cache was closed; make a new one.");
    try {
      return block();
    } catch (error) {
      if (!(error instanceof KeyspaceError)) throw error;
      throw cacheError("UNSTALE_VALKEY_REFUSED", `The memory store refused: ${error.message}.`, { cause: error });
    }
  };

  return {
    keyspace,
    keys,
    read: (request) => step(() => read(parts, request)),
    open: (scope) => step(() => open(parts, scope)),
    commit: (request) => step(() => commit(parts, request)),
    acquireFill: (request) => step(() => fillLock(parts, "acquire", request)),
    renewFill: (request) => step(() => fillLock(parts, "renew", request)),
    releaseFill: (request) => step(() => void fillLock(parts, "release", request)),
    invalidate: (request) => step(() => invalidate(parts, request)),
    drain: (request) => step(() => drain(parts, request)),
    sweep: (request) => step(() => sweep(parts, request)),
    heartbeat: (request) => step(() => heartbeat(parts, request)),
    confirm: (request) => step(() => confirm(parts, request)),
    attach: (request) => step(() => attach(parts, request)),
    awaitReplicas: ({ replicas }) => step(() => replicas),
    configure: (record) => step(() => configure(parts, record)),
    deployment: () => step(() => deployment(parts)),
    serverInfo: () => step(() => serverInfo),
    close: async () => {
      isClosed = true;
    },
  };
}

/** configure.lua */
function configure(parts: MemoryParts, record: DeploymentRecord): DeploymentRecord | NewerDeployment {
  const { keyspace, keys } = parts;
  const isNewer = (numberOf(keyspace.hget(keys.config, "format")) ?? 0) > wireFormat;
  const dealt = isNewer ? [] : dealRecord(record);
  for (const [index, field] of dealt.entries()) {
    const isMissing = index % 2 === 0 && keyspace.hget(keys.config, field) === undefined;
    if (isMissing) keyspace.hset(keys.config, { [field]: dealt[index + 1] ?? "" });
  }
  return readRecord(Object.entries(keyspace.hgetall(keys.config)).flat());
}

function deployment({ keyspace, keys }: MemoryParts): DeploymentRecord | NewerDeployment | undefined {
  const fields = Object.entries(keyspace.hgetall(keys.config)).flat();
  return fields.length === 0 ? undefined : readRecord(fields);
}

const serverInfo: ServerInfo = {
  product: "memory",
  version: "1",
  role: "master",
  memoryPolicy: "noeviction",
  maxMemory: 0,
  replicas: 0,
  clusterEnabled: false,
};
