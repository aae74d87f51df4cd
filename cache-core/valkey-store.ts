import { randomBytes } from "node:crypto";
import { wireFormat } from "./deployment.ts";
import { cacheError } from "./errors.ts";
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
  SweepReply,
} from "./store.ts";
import { connect, script, type ValkeyConnection, type ValkeyTarget } from "./valkey-connection.ts";
import { confirmWords, demandWords } from "./valkey-demands.ts";
import {
  dealRecord,
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
  parseSweepCursor,
  readRecord,
  sweepCursor,
} from "./valkey-replies.ts";

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
  drain: script(embedded.drain),
  heartbeat: script(embedded.heartbeat),
  confirm: script(embedded.confirm),
  attach: script(embedded.attach),
  fillLock: script(embedded.fillLock),
  configure: script(embedded.configure),
};

/** {@link CacheStore} on Valkey (7.2 and later) or Redis (7.2 and later). */
export function createValkeyStore(options: ValkeyStoreOptions): CacheStore {
  const connection = connect({
    valkey: options.valkey,
    timeoutMs: options.timeoutMs ?? 5_000,
    onError: options.onError,
  });
  return valkeyStore(connection, {
    keys: createKeys({ ...defaultLayout, ...options.layout }),
    policy: { ...defaultPolicy, ...options.policy },
    injected: options.injected ?? {},
  });
}

interface Parts {
  readonly keys: Keys;
  readonly policy: StorePolicy;
  readonly injected: Injected;
}

function valkeyStore(connection: ValkeyConnection, { keys, policy, injected }: Parts): CacheStore {
  const time = (): string => (injected.now ? String(injected.now()) : "");
  const replicationId = (): string => (injected.replicationId ? String(injected.replicationId()) : "");
  const nonce = injected.nonce ?? randomNonce;
  const namespaceTtl = policy.maxTtlMs;
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

    invalidate: async (request): Promise<InvalidateReply> => {
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
    },

    drain: async ({ drain, cursor, replicationId: known, count }): Promise<DrainReply> => {
      const { bucket, document, token } = drain;
      const reply = await connection.run(
        scripts.drain,
        [keys.fence(bucket), keys.draining(bucket), drainSet(drain)],
        [replicationId(), known ?? "", cursor, count, document, token, keys.layout.entryPrefix, tagOf(bucket)],
      );
      return parseDrain(reply);
    },

    sweep: async ({ bucket, namespace, cursor, count }): Promise<SweepReply> => {
      const scope = { bucket, namespace };
      const { from, server } = parseSweepCursor(cursor);
      const [format, current, answering, page] = await Promise.all([
        formatOf(bucket),
        connection.call("MGET", ...keys.versionCounters(scope)),
        answeringServer(),
        connection.call("SCAN", from, "MATCH", keys.sweepPattern(scope), "COUNT", count),
      ]);
      if (format > wireFormat) return { kind: "format" };
      const anew = { kind: "swept", cursor: sweepCursor(answering, "0"), scanned: 0, deleted: 0 } as const;
      if (from !== "0" && server !== answering) return anew;
      if (!Array.isArray(current) || !Array.isArray(page)) throw unexpected("SCAN", page);
      const [next, found] = page as [string, string[]];
      // A key of the versions that are current now was written after the barrier: it stays.
      const now = current.join(".");
      const dead = found.filter((key) => {
        const entry = keys.parseEntry(bucket, key);
        if (!entry) return false;
        return !entry.versions || `${entry.versions}.`.startsWith(`${now}.`) === false;
      });
      const deleted = dead.length === 0 ? 0 : Number(await connection.call("UNLINK", ...dead));
      const onward = next === "0" ? next : sweepCursor(answering, next);
      return { kind: "swept", cursor: onward, scanned: found.length, deleted };
    },

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

    awaitReplicas: async ({ replicas, timeoutMs }) => Number(await connection.call("WAIT", replicas, timeoutMs)),

    configure: async (record): Promise<DeploymentRecord | NewerDeployment> =>
      readRecord(await connection.run(scripts.configure, [keys.config], dealRecord(record))),

    deployment: async () => {
      const fields = await connection.call("HGETALL", keys.config);
      return Array.isArray(fields) && fields.length === 0 ? undefined : readRecord(fields);
    },

    serverInfo: async (): Promise<ServerInfo> => parseServerInfo(String(await connection.call("INFO"))),

    close: () => connection.close(),
  };

  /** Of the bucket's keys; 0 where that is lost. */
  async function formatOf(bucket: number): Promise<number> {
    // Where Valkey is away the other commands say so.
    return Number((await connection.call("ZSCORE", keys.fence(bucket), " format").catch(() => null)) ?? 0);
  }

  /** Another one after a promotion; then a scan's cursor is void. */
  async function answeringServer(): Promise<number> {
    if (injected.replicationId) return injected.replicationId();
    // Where an ACL forbids INFO promotions are not noticed; where Valkey is away the other commands say so.
    return parseReplicationId(await connection.call("INFO", "replication").catch(() => ""));
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

function unexpected(command: string, reply: unknown): Error {
  return cacheError(
    "UNSTALE_VALKEY_REFUSED",
    `Valkey's reply to ${command} is not understood: ${JSON.stringify(reply)}.`,
  );
}

/** From 2^51 up to 2^52: leaves room for INCR below 2^53, and prints with 16 digits. */
export function randomNonce(): number {
  return 2 ** 51 + Number(randomBytes(8).readBigUInt64BE() & ((1n << 51n) - 1n));
}
