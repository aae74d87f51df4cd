import { type Clock, systemClock } from "./clock.ts";
import { cacheError, shown } from "./errors.ts";
import { defaultLayout, type KeyLayout } from "./keys.ts";
import type { CacheStore } from "./store.ts";
import type { Duration, Ttl } from "./ttl.ts";
import { isCluster, type ValkeyTarget } from "./valkey-target.ts";
import type { SetRefusal } from "./writer.ts";

/** Options of {@link SmartCache}: `valkey` or `store`, everything else has a default. */
export type SmartCacheOptions = SmartCacheSettings &
  (
    | {
        /**
         * Where Valkey is: a URL (`redis://127.0.0.1:6379`; `valkey://`, `rediss://`, `valkeys://`), options of iovalkey
         * (for Sentinels `{ sentinels, name }`), or a ready iovalkey or ioredis client or cluster, which is never closed
         * by us. A Valkey Cluster: several addresses (`redis://a:6379,b:6379`), or
         * `{ cluster: ["redis://a:6379"], ...options of iovalkey's Cluster }`.
         */
        readonly valkey: ValkeyTarget;
        readonly store?: undefined;
      }
    | {
        readonly valkey?: undefined;
        /** Another place for entries, such as `createMemoryStore()` in the tests of a producer. Never closed by us. */
        readonly store: CacheStore;
      }
  );

export interface SmartCacheSettings {
  /** TTL of entries that name none. Default `"1h"`. */
  readonly defaultTtl?: Ttl | undefined;
  /** The longest TTL accepted; a longer one is an error. Default `"7d"`. The same in all programs of a deployment. */
  readonly maxTtl?: number | Duration | undefined;
  /** Other TTLs for content classes, and classes of your own: `{ "real-time": "2m", faq: "12h" }`. `real-time`: 1 to 5 min. */
  readonly ttlClasses?: Readonly<Record<string, number | Duration>> | undefined;
  /** Part of each TTL, from 0 to below 1, that chance may take away. Default 0. */
  readonly jitter?: number | undefined;

  /** The most sources of one entry, 1 to 1000; with more it is not written (`too-many-sources`). Default 256. */
  readonly maxSources?: number | undefined;
  /** The longest response in bytes, as stored. Default 4 MiB. `set` throws above it, `getOrSet` does not keep the answer. */
  readonly maxResponseBytes?: number | undefined;

  /** How long a look-up may take in ms, from 1 to 250; then it is a miss. Also for the fill lock. Default 250. */
  readonly readTimeoutMs?: number | undefined;
  /** How long a write may take in ms, from 1; then it is refused as `unavailable`. Default 1000. */
  readonly writeTimeoutMs?: number | undefined;

  /**
   * How many replicas must have an invalidation before its call resolves, from 0 to 16: a failover to one of them loses
   * nothing. With fewer in time it fails (`UNSTALE_NOT_REPLICATED`). Takes a connection of its own, unless `valkey` is a
   * ready client: then other calls wait as well. Default 0.
   */
  readonly replicaAcks?: number | undefined;
  /** How many fills compute at a time in this process, from 1. Fills inside fills do not count. Default 32. */
  readonly maxConcurrentFills?: number | undefined;
  /** How long `getOrSet` waits for a fill of somebody else in ms, from 0; then it fills itself. Default 30,000. */
  readonly fillWaitMs?: number | undefined;
  /** How long the fill lock outlives a process that died, in ms, from 100. It is renewed every third of it. Default 5000. */
  readonly fillLockTtlMs?: number | undefined;

  /** Prefix of entries. Default `"cache:"`. The same in all programs of a deployment. */
  readonly entryPrefix?: string | undefined;
  /** Prefixes of dependency sets, ours first. Default `["doc_deps:", "deps:"]`. The same in all programs of a deployment. */
  readonly dependencyPrefixes?: readonly [string, ...string[]] | undefined;
  /**
   * Hash-tagged slices of the keyspace, each in one slot of a cluster. Default 1; in a cluster 16, and at least 2. Every
   * invalidation costs one call for each. The same in all programs of a deployment, and not changed easily.
   */
  readonly buckets?: number | undefined;
  /** Whether programs without this library write the plain schema into the same keys. Default: true with one bucket. */
  readonly foreignWriters?: boolean | undefined;

  /** Told once of each kind of thing that somebody should know. Default `process.emitWarning`. */
  readonly onWarning?: ((warning: CacheWarning) => void) | undefined;
  /** Told of each write that was refused: normal, and worth a log line at debug level. */
  readonly onRefusal?: ((refusal: Refusal) => void) | undefined;
  /** Time, for tests. */
  readonly clock?: Clock | undefined;
}

/**
 * `unfenced-write`: `set` without a lease. `store-error`: the store does not answer, so look-ups are misses.
 * `response-too-large`: an answer of `getOrSet` was not kept.
 */
export interface CacheWarning {
  readonly code: "unfenced-write" | "store-error" | "response-too-large";
  readonly message: string;
}

export interface Refusal {
  readonly query: string;
  readonly namespace?: string | undefined;
  readonly reason: SetRefusal;
  /** `changed`: the document that changed after the lease was taken, and how many ms after. */
  readonly document?: string | undefined;
  readonly changedAfterMs?: number | undefined;
}

/** Options with their defaults, checked. TTLs have a rule of their own. */
export interface CheckedOptions {
  readonly layout: KeyLayout;
  readonly foreignWriters: boolean;
  readonly maxSources: number;
  readonly maxResponseBytes: number;
  readonly readTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly replicaAcks: number;
  readonly maxConcurrentFills: number;
  readonly fillWaitMs: number;
  readonly fillLockTtlMs: number;
  readonly clock: Clock;
  readonly warn: (warning: CacheWarning) => void;
}

/** @throws UnstaleError `UNSTALE_INVALID_ARGUMENT` */
export function checkOptions(options: SmartCacheOptions): CheckedOptions {
  if ((options.valkey === undefined) === (options.store === undefined)) {
    throw invalid(
      'SmartCache: expected either valkey (such as { valkey: "redis://127.0.0.1:6379" }) or store; got ' +
        `${options.valkey === undefined ? "neither" : "both"}.`,
    );
  }
  const { layout, foreignWriters } = checkDeployment(options);
  const number = (name: NumericOption, fallback: number, range: { min: number; max?: number }): number =>
    wholeNumber(name, options[name] ?? fallback, range);
  return {
    layout,
    foreignWriters,
    maxSources: number("maxSources", 256, { min: 1, max: 1_000 }),
    maxResponseBytes: number("maxResponseBytes", 4 * 1024 * 1024, { min: 1 }),
    readTimeoutMs: number("readTimeoutMs", 250, { min: 1, max: 250 }),
    writeTimeoutMs: number("writeTimeoutMs", 1_000, { min: 1 }),
    replicaAcks: number("replicaAcks", 0, { min: 0, max: 16 }),
    maxConcurrentFills: number("maxConcurrentFills", 32, { min: 1 }),
    fillWaitMs: number("fillWaitMs", 30_000, { min: 0 }),
    fillLockTtlMs: number("fillLockTtlMs", 5_000, { min: 100 }),
    clock: options.clock ?? systemClock,
    warn: warnOnce(options.onWarning ?? emitWarning),
  };
}

type NumericOption = {
  [Name in keyof SmartCacheSettings]-?: CheckedOptions extends Record<Name, number> ? Name : never;
}[keyof SmartCacheSettings];

/** Enough for a handful of primaries to share the work, few enough that an event is cheap (docs/cluster.md). */
export const clusterBuckets = 16;

/** What all programs of a deployment have in common. */
function checkDeployment(options: SmartCacheOptions): { layout: KeyLayout; foreignWriters: boolean } {
  const inCluster = isCluster(options.valkey);
  const buckets = wholeNumber("buckets", options.buckets ?? (inCluster ? clusterBuckets : 1), {
    min: inCluster ? 2 : 1,
    max: 16_384,
  });
  const foreignWriters = options.foreignWriters ?? buckets === 1;
  if (foreignWriters && buckets > 1) {
    throw invalid(
      `foreignWriters: expected false with ${buckets} buckets, since programs of the plain schema know no hash tags; got true.`,
    );
  }
  const entryPrefix = prefix("entryPrefix", options.entryPrefix ?? defaultLayout.entryPrefix);
  const dependencyPrefixes = prefixes(options.dependencyPrefixes ?? defaultLayout.dependencyPrefixes);
  return { layout: { entryPrefix, dependencyPrefixes, buckets }, foreignWriters };
}

/** Timers take 32 bits. */
const longest = 2 ** 31 - 1;

function wholeNumber(name: string, value: unknown, { min, max = longest }: { min: number; max?: number }): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw invalid(`${name}: expected a whole number from ${min} to ${max}; got ${shown(value)}.`);
}

function prefix(name: string, value: unknown): string {
  if (typeof value === "string" && /^[^\s{}*?[\]\\]{1,64}$/.test(value)) return value;
  throw invalid(
    `${name}: expected 1 to 64 characters without blanks, braces and glob characters, such as "cache:"; ` +
      `got ${JSON.stringify(value)}.`,
  );
}

function prefixes(values: readonly string[]): readonly [string, ...string[]] {
  const [first, ...others] = Array.isArray(values) ? values : [];
  if (first === undefined) throw invalid('dependencyPrefixes: expected at least one, such as "doc_deps:"; got none.');
  const name = "dependencyPrefixes";
  return [prefix(name, first), ...others.map((other) => prefix(name, other))];
}

function warnOnce(tell: (warning: CacheWarning) => void): (warning: CacheWarning) => void {
  const told = new Set<string>();
  return (warning) => {
    if (told.has(warning.code)) return;
    told.add(warning.code);
    tell(warning);
  };
}

function emitWarning({ code, message }: CacheWarning): void {
  process.emitWarning(message, { type: "UnstaleWarning", code });
}

function invalid(message: string): Error {
  return cacheError("UNSTALE_INVALID_ARGUMENT", message);
}
