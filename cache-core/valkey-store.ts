import { randomBytes } from "node:crypto";
import { isUnstaleError } from "./errors.ts";
import { createKeys, defaultLayout, type KeyLayout, type Keys } from "./keys.ts";
import * as embedded from "./scripts/embedded.ts";
import type {
  AttachReply,
  CacheStore,
  CommitReply,
  ConfirmReply,
  DeploymentRecord,
  Drain,
  DrainReply,
  FillLockReply,
  HeartbeatReply,
  InvalidateReply,
  InvalidateRequest,
  NewerDeployment,
  OpenReply,
  ReadReply,
  ServerInfo,
} from "./store.ts";
import { connect, type ServerConnection, script, type ValkeyConnection } from "./valkey-connection.ts";
import { confirmWords, demandWords } from "./valkey-demands.ts";
import { throughMove } from "./valkey-move.ts";
import {
  dealRecord,
  joinServerInfos,
  parseAttach,
  parseCommit,
  parseConfirm,
  parseDrain,
  parseFillLock,
  parseHeartbeat,
  parseInvalidate,
  parseOpen,
  parseRead,
  parseReplicationId,
  parseServerInfo,
  readRecord,
} from "./valkey-replies.ts";
import { sweep } from "./valkey-sweep.ts";
import type { ValkeyTarget } from "./valkey-target.ts";

/** Bounds and habits that all programs of a deployment share. */
export interface StorePolicy {
  /** Programs of the plain schema write into the same keys. Standalone only. Default true. */
  readonly foreignWriters: boolean;
  /** Longest TTL of an entry in ms; fences live as long. Default 7 days. */
  readonly maxTtlMs: number;
  /** Longest TTL in ms that foreign writers use: how long a dependency set shared with them lives. Default 24 h. */
  readonly foreignTtlMs: number;
  /** Documents whose last change is remembered, per bucket (126 bytes each). Default 1,000,000. */
  readonly maxFences: number;
  /** Members of a dependency set that are deleted within the barrier; a larger set is taken away and drained. Default 200. */
  readonly inlineLimit: number;
  /** Members that one call deletes in all. Default 1,000. */
  readonly callBudget: number;
}

export const defaultPolicy: StorePolicy = {
  foreignWriters: true,
  maxTtlMs: 7 * 24 * 3_600_000,
  foreignTtlMs: 24 * 3_600_000,
  maxFences: 1_000_000,
  inlineLimit: 200,
  callBudget: 1_000,
};

/** What tests replace so that two stores can be compared step by step. All absent in production. */
export interface Injected {
  /** The server's time in microseconds. */
  readonly now?: () => number;
  readonly replicationId?: () => number;
  /** A number from 2^51 up to 2^52 that was never given out before. */
  readonly nonce?: () => number;
  /** Random members looked at in each dependency set of a commit. 2 in production. */
  readonly sampling?: number;
}

export interface ValkeyStoreOptions {
  readonly valkey: ValkeyTarget;
  readonly layout?: Partial<KeyLayout> | undefined;
  readonly policy?: Partial<StorePolicy> | undefined;
  /** How long one step may take in ms, connecting included. Default 5,000. */
  readonly timeoutMs?: number | undefined;
  readonly onError?: ((error: Error) => void) | undefined;
  readonly injected?: Injected | undefined;
}

const scripts = {
  read: script(embedded.read),
  open: script(embedded.open),
  commit: script(embedded.commit),
  invalidate: script(embedded.invalidate),
  fence: script(embedded.fence),
  drain: script(embedded.drain),
  heartbeat: script(embedded.heartbeat),
  confirm: script(embedded.confirm),
  attach: script(embedded.attach),
  fillLock: script(embedded.fillLock),
  configure: script(embedded.configure),
};

/** {@link CacheStore} on Valkey (7.2 and later) or Redis (7.2 and later). */
export function createValkeyStore(options: ValkeyStoreOptions): CacheStore {
  const { valkey, onError, timeoutMs = 5_000 } = options;
  return valkeyStore(connect({ valkey, timeoutMs, onError }), {
    timeoutMs,
    keys: createKeys({ ...defaultLayout, ...options.layout }),
    policy: { ...defaultPolicy, ...options.policy },
    injected: options.injected ?? {},
  });
}

interface Parts {
  readonly timeoutMs: number;
  readonly keys: Keys;
  readonly policy: StorePolicy;
  readonly injected: Injected;
}

function valkeyStore(connection: ValkeyConnection, { timeoutMs, keys, policy, injected }: Parts): CacheStore {
  const time = (): string => (injected.now ? String(injected.now()) : "");
  const replicationId = (): string => (injected.replicationId ? String(injected.replicationId()) : "");
  const nonce = injected.nonce ?? randomNonce;
  const namespaceTtl = policy.maxTtlMs;
  const everyFence = Array.from({ length: keys.layout.buckets }, (_, bucket) => keys.fence(bucket));
  const tagOf = (bucket: number): string => (keys.layout.buckets === 1 ? "" : `{${bucket}}`);

  const fillLock = async (
    operation: "acquire" | "renew" | "release",
    request: Parameters<CacheStore["acquireFill"]>[0],
  ): Promise<FillLockReply> => {
    const lock = [keys.fence(request.bucket), keys.fillLock(request, request.query)];
    return parseFillLock(await connection.run(scripts.fillLock, lock, [operation, request.token, request.ttlMs]));
  };

  return {
    read: async (request): Promise<ReadReply> => {
      const { bucket, query } = request;
      const counters = keys.versionCounters(request);
      const demanded = demandWords(keys, request, replicationId);
      const reply = await connection.run(
        scripts.read,
        [keys.entry(request, query, request.versions), keys.fence(bucket), ...counters, ...demanded.keys],
        [
          query,
          request.versions.join("."),
          policy.foreignWriters ? 1 : 0,
          time(),
          ...demanded.args,
          ...keys.dependencyPrefixes(bucket),
        ],
      );
      return parseRead(reply, request.versions);
    },

    open: async (scope): Promise<OpenReply> => {
      const state = [keys.fence(scope.bucket), keys.documentVersions(scope.bucket)];
      const args = [time(), replicationId(), nonce(), namespaceTtl];
      return parseOpen(await connection.run(scripts.open, [...state, ...keys.versionCounters(scope)], args));
    },

    commit: async (request): Promise<CommitReply> => {
      const { bucket, sources, lease, query } = request;
      const counters = keys.versionCounters(request);
      const fenced = "clock" in lease;
      const reply = await connection.run(
        scripts.commit,
        [
          keys.entry(request, query, lease.versions),
          keys.fence(bucket),
          keys.documentVersions(bucket),
          ...counters,
          ...sources.map((source) => keys.dependencySets(bucket, source)[0] ?? ""),
        ],
        [
          counters.length,
          fenced ? "fenced" : "plain",
          lease.versions.join("."),
          ...(fenced ? [lease.clock, lease.birth, lease.replicationId] : [0, 0, 0]),
          // A fraction would abort the script half-way.
          Math.ceil(request.ttlMs),
          Math.max(Math.ceil(request.ttlMs), policy.foreignWriters ? policy.foreignTtlMs : 0),
          namespaceTtl,
          time(),
          injected.sampling ?? 2,
          keys.dependencyPrefixes(bucket)[0] ?? "",
          query,
          request.response,
          request.codec ?? "",
          JSON.stringify(sources),
          ...sources.flatMap((source) => [source, request.sourceVersions?.[source] ?? ""]),
        ],
      );
      return parseCommit(reply);
    },

    acquireFill: (request) => fillLock("acquire", request),
    renewFill: (request) => fillLock("renew", request),
    releaseFill: async (request) => void (await fillLock("release", request)),

    invalidate: (request): Promise<InvalidateReply> =>
      throughMove({
        step: () => invalidate(request),
        // One key is at one end, so this one goes through.
        atOnce: async () => {
          const args = [time(), replicationId(), nonce(), ...request.documents.map(({ id }) => id)];
          await connection.run(scripts.fence, [keys.fence(request.bucket)], args);
        },
        timeoutMs,
      }),
    drain: async ({ drain, cursor, replicationId: known, count }): Promise<DrainReply> => {
      const { bucket, document, token } = drain;
      const members = [keys.layout.entryPrefix, tagOf(bucket), keys.dependencySets(bucket, document)[0] ?? ""];
      const reply = await connection.run(
        scripts.drain,
        [keys.fence(bucket), keys.draining(bucket), drainSet(drain)],
        [replicationId(), known ?? "", cursor, count, document, token, ...members],
      );
      return parseDrain(reply);
    },

    sweep: (request) => sweep({ connection, keys, everyFence, replicationId: replicationIdOf }, request),

    heartbeat: async ({ bucket, partitions }): Promise<HeartbeatReply> => {
      const reply = await connection.run(
        scripts.heartbeat,
        [
          keys.fence(bucket),
          keys.documentVersions(bucket),
          keys.state(bucket),
          keys.draining(bucket),
          globalCounter(bucket),
        ],
        [time(), replicationId(), nonce(), policy.maxFences, policy.maxTtlMs, ...partitions.map(keys.appliedField)],
      );
      return parseHeartbeat(reply, bucket);
    },

    confirm: async (request): Promise<ConfirmReply> => {
      const words = confirmWords(keys, request);
      const reply = await connection.run(scripts.confirm, words.keys, [time(), replicationId(), ...words.args]);
      return parseConfirm(reply);
    },

    attach: async (request): Promise<AttachReply> => {
      const { bucket } = request;
      const reply = await connection.run(
        scripts.attach,
        [keys.fence(bucket), keys.documentVersions(bucket), keys.state(bucket), globalCounter(bucket)],
        [
          time(),
          replicationId(),
          nonce(),
          keys.appliedField(request),
          request.offset,
          request.barrier === false ? 1 : 0,
        ],
      );
      return parseAttach(reply);
    },

    awaitReplicas: async ({ replicas, timeoutMs }) => {
      const servers = connection.answeredFor(everyFence);
      const reached = servers.map(async (server) => Number(await server.call("WAIT", replicas, timeoutMs)));
      return servers.length === 0 ? 0 : Math.min(...(await Promise.all(reached)));
    },

    configure: async (record): Promise<DeploymentRecord | NewerDeployment> =>
      readRecord(await connection.run(scripts.configure, [keys.config], dealRecord(record))),

    deployment: async () => {
      const fields = await connection.call("HGETALL", keys.config);
      return Array.isArray(fields) && fields.length === 0 ? undefined : readRecord(fields);
    },

    serverInfo: async (): Promise<ServerInfo> => {
      const servers = await connection.serversOf(everyFence);
      const [first, ...others] = await Promise.all(
        servers.map(async (server) => parseServerInfo(String(await server.call("INFO").catch(unlessForbidden)))),
      );
      return joinServerInfos([first ?? parseServerInfo(""), ...others]);
    },

    close: () => connection.close(),
  };

  async function replicationIdOf(server: ServerConnection): Promise<number> {
    if (injected.replicationId) return injected.replicationId();
    // Where an ACL forbids INFO promotions are not noticed; where Valkey is away the other commands say so.
    return parseReplicationId(await server.call("INFO", "replication").catch(() => ""));
  }

  async function invalidate(request: InvalidateRequest): Promise<InvalidateReply> {
    const { bucket, documents, scopes } = request;
    const reply = await connection.run(
      scripts.invalidate,
      [
        keys.fence(bucket),
        keys.documentVersions(bucket),
        keys.state(bucket),
        keys.draining(bucket),
        globalCounter(bucket),
        ...scopes.map(({ namespace }) => keys.versionCounters({ bucket, namespace }).at(-1) ?? ""),
        ...documents.flatMap(({ id }) => keys.dependencySets(bucket, id)),
      ],
      [
        time(),
        replicationId(),
        nonce(),
        ...positionOf(request),
        request.barrier ? 1 : 0,
        keys.layout.entryPrefix,
        tagOf(bucket),
        keys.drainPrefix(bucket),
        policy.inlineLimit,
        policy.callBudget,
        policy.maxFences,
        policy.maxTtlMs,
        namespaceTtl,
        scopes.length,
        documents.length,
        keys.layout.dependencyPrefixes.length,
        ...scopes.map(({ offset }) => offset ?? ""),
        ...documents.flatMap(({ id, version }) => [id, version ?? ""]),
      ],
    );
    return parseInvalidate(reply, bucket);
  }

  function globalCounter(bucket: number): string {
    return keys.versionCounters({ bucket })[0];
  }

  function drainSet({ bucket, token, document }: Drain): string {
    return `${keys.drainPrefix(bucket)}${token}:${document}`;
  }

  function positionOf({ position }: InvalidateRequest): (string | number)[] {
    return position ? [keys.appliedField(position), position.previous, position.next] : ["", 0, 0];
  }
}

/** An ACL may forbid INFO. Then nothing is known of the server, which is less than knowing that it is unfit. */
function unlessForbidden(error: unknown): string {
  if (isUnstaleError(error) && error.message.includes("NOPERM")) return "";
  throw error;
}

/** From 2^51 up to 2^52: leaves room for INCR below 2^53, and prints with 16 digits. */
export function randomNonce(): number {
  return 2 ** 51 + Number(randomBytes(8).readBigUInt64BE() & ((1n << 51n) - 1n));
}
