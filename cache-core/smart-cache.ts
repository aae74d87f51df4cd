import { Deadline } from "./deadline.ts";
import { checkDemands, type DemandOptions, mergeDemands } from "./demands.ts";
import { DeploymentCheck, proposeDeployment } from "./deployment.ts";
import { checkSourceVersions, encodeResponse, normaliseSources } from "./entry.ts";
import { cacheError, type UnstaleError } from "./errors.ts";
import { Filler } from "./fill.ts";
import { currentFill, type FillContext, type Origin } from "./fill-context.ts";
import type { GetOrSetResult } from "./fill-course.ts";
import { createInvalidator } from "./invalidator.ts";
import { checkNamespace, checkQuery, createKeys, type Keys } from "./keys.ts";
import { decodeLease, encodeLease, type Lease } from "./lease.ts";
import { KnownVersions, Reader } from "./reader.ts";
import { requireReplicas } from "./replicated-store.ts";
import { type InvalidationCounts, Invalidations } from "./smart-cache-invalidation.ts";
import { type CheckedOptions, checkOptions, type SmartCacheOptions } from "./smart-cache-options.ts";
import type { CacheStore, Demands, Scope } from "./store.ts";
import { createTelemetry } from "./telemetry.ts";
import { createTtlRule, type Ttl, type TtlRule } from "./ttl.ts";
import { createValkeyStore } from "./valkey-store.ts";
import type { ValkeyTarget } from "./valkey-target.ts";
import { type SetResult, Writer } from "./writer.ts";

export interface ScopeOptions {
  /** Levels joined by `:`, such as `docs:technical`; each of them can be invalidated at once. */
  readonly namespace?: string | undefined;
}

export interface GetOptions extends ScopeOptions, DemandOptions {}

export interface SetOptions extends ScopeOptions {
  /** Documents that the response is built from: a change of any of them ends the entry. */
  readonly sources?: readonly string[] | undefined;
  /** `"6h"`, a content class such as `"documentation"`, or a number of seconds. Default: `defaultTtl`, 1 hour. */
  readonly ttl?: Ttl | undefined;
  /** From `get` or `lease`, taken before any source was read. Without one, a late write is not noticed. */
  readonly lease?: string | undefined;
  /** Versions that sources were read at: a source that changed to a higher one refuses the write. */
  readonly sourceVersions?: Readonly<Record<string, number>> | undefined;
}

export interface GetOrSetOptions extends GetOptions {
  /** Sources that are known beforehand; `context.dependsOn` adds more. */
  readonly sources?: readonly string[] | undefined;
  readonly ttl?: Ttl | undefined;
  /** Ends the waiting of this caller. The fill goes on while others wait for it. */
  readonly signal?: AbortSignal | undefined;
  /** Fill even on a hit. */
  readonly refresh?: boolean | undefined;
}

export type GetResult<T> =
  | { readonly hit: true; readonly response: T; readonly sources: readonly string[] }
  /** `lease` is good for `set` with this query, here or in another process. */
  | { readonly hit: false; readonly lease: string };

/**
 * A cache that never serves an answer that is older than an acknowledged change of what it was built from.
 *
 * Queries, namespaces and ids that cannot be used are `UNSTALE_INVALID_ARGUMENT`; a program whose settings differ from its
 * deployment's gets `UNSTALE_CONFIG_MISMATCH` from every call. An outage of Valkey is neither: look-ups miss after
 * `readTimeoutMs`, writes are refused, fills go on; only invalidations fail, since nobody else would notice.
 */
export class SmartCache {
  readonly #checked: CheckedOptions;
  readonly #store: CacheStore;
  readonly #ownStores: CacheStore[] = [];
  readonly #keys: Keys;
  readonly #ttl: TtlRule;
  readonly #reader: Reader;
  readonly #writer: Writer;
  readonly #filler: Filler;
  readonly #invalidations: Invalidations;
  readonly #deployment: DeploymentCheck;
  #closing: Promise<void> | undefined;

  constructor(options: SmartCacheOptions) {
    this.#checked = checkOptions(options);
    const { layout, foreignWriters, clock, maxSources, maxResponseBytes, warn } = this.#checked;
    this.#ttl = createTtlRule(options);
    this.#keys = createKeys(layout);
    const telemetry = createTelemetry();
    const swallowed = (step: string) => (error: unknown) => {
      telemetry.add("swallowed", { step });
      warn({ code: "store-error", message: `The cache goes on without its store: ${String(error)}` });
    };
    this.#store = options.store ?? this.#openStore(options, swallowed("connection"));
    const store = this.#store;
    const versions = new KnownVersions();
    const deployment = new DeploymentCheck({ store, ours: proposeDeployment({ layout, foreignWriters }) });
    this.#deployment = deployment;
    const shared = { store, clock, telemetry, deployment, versions };
    const timeoutMs = this.#checked.readTimeoutMs;
    this.#reader = new Reader({ ...shared, timeoutMs, onError: swallowed("read") });
    this.#writer = new Writer({
      ...shared,
      maxSources,
      timeoutMs: this.#checked.writeTimeoutMs,
      onError: swallowed("write"),
      onRefusal: ({ query, scope }, { reason, document, changedAfterMs }) =>
        options.onRefusal?.({ query, namespace: scope.namespace, reason, document, changedAfterMs }),
    });
    this.#filler = new Filler({
      originOf: (scope) => this.#originOf(scope),
      maxConcurrentFills: this.#checked.maxConcurrentFills,
      tools: {
        reader: this.#reader,
        writer: this.#writer,
        ttl: this.#ttl,
        clock,
        telemetry,
        lock: {
          store,
          clock,
          deadline: new Deadline({ clock, ms: timeoutMs }),
          ttlMs: this.#checked.fillLockTtlMs,
          onError: swallowed("fill-lock"),
        },
        waitMs: this.#checked.fillWaitMs,
        maxResponseBytes,
        onTooLarge: (bytes) => warn({ code: "response-too-large", message: tooLarge(bytes, maxResponseBytes) }),
      },
    });
    const invalidating = this.#invalidatingStore(options, swallowed("connection"));
    this.#invalidations = new Invalidations({
      ...shared,
      store: invalidating,
      invalidator: createInvalidator({ store: invalidating, buckets: layout.buckets, clock }),
      buckets: layout.buckets,
      onError: swallowed("leftover-drain"),
    });
  }

  #openStore({ valkey }: { readonly valkey: ValkeyTarget }, onError: (error: unknown) => void): CacheStore {
    const { layout, foreignWriters } = this.#checked;
    const policy = { foreignWriters, maxTtlMs: this.#ttl.maxTtlMs };
    const store = createValkeyStore({ valkey, layout, policy, onError });
    this.#ownStores.push(store);
    return store;
  }

  /** Waiting for replicas holds a connection up: look-ups must not wait with it. */
  #invalidatingStore(options: SmartCacheOptions, onError: (error: unknown) => void): CacheStore {
    const { replicaAcks: replicas, writeTimeoutMs: timeoutMs } = this.#checked;
    if (replicas === 0) return this.#store;
    const store = options.store ?? this.#openStore(options, onError);
    return requireReplicas(store, { replicas, timeoutMs });
  }

  /** Looks an answer up. On a miss the lease is taken: read sources after it. */
  async get<T = unknown>(query: string, options: GetOptions = {}): Promise<GetResult<T>> {
    this.#checkOpen();
    const scope = this.#scopeOf(query, options);
    const lookup = await this.#reader.read(scope, query, this.#demandsOf(scope, options));
    if (lookup.kind === "miss") return { hit: false, lease: encodeLease(lookup.lease) };
    const { sources } = lookup;
    currentFill()?.inherit({ sources, origin: this.#originOf(scope) });
    // What a program reads under a query is what it wrote there: its type is its own knowledge.
    return { hit: true, response: lookup.response as T, sources };
  }

  /** A lease without a look-up: for filling in advance, or anew. Take it before reading any source. */
  async lease(query: string, options: ScopeOptions = {}): Promise<string> {
    this.#checkOpen();
    const { lease } = await this.#reader.lease(this.#scopeOf(query, options), query);
    return encodeLease(lease);
  }

  /**
   * Keeps an answer, unless a source changed since the lease: then it is refused, which is normal. Without a lease a source
   * that changes between being read and this call is not noticed.
   * @throws UnstaleError `UNSTALE_INVALID_ARGUMENT`, also for a response that has no JSON form or is too large
   */
  async set(query: string, response: unknown, options: SetOptions = {}): Promise<SetResult> {
    this.#checkOpen();
    const scope = this.#scopeOf(query, options);
    const sourceVersions = checkSourceVersions(options.sourceVersions);
    const sources = [...new Set([...normaliseSources(options.sources ?? []), ...sourceVersions.keys()])];
    const ttlMs = this.#ttl.resolve(options.ttl);
    const encoded = encodeResponse(response);
    const { maxResponseBytes, warn } = this.#checked;
    if (encoded.bytes > maxResponseBytes) throw invalid(tooLarge(encoded.bytes, maxResponseBytes));
    const lease = options.lease === undefined ? undefined : parseLease(options.lease);
    if (lease === "newer") return { written: false, reason: "format" };
    if (!lease) {
      warn({
        code: "unfenced-write",
        message: "set without a lease: a source that changes before the write is not noticed. Pass the lease of get().",
      });
    }
    return this.#writer.write({ scope, query, response: encoded, sources, sourceVersions, ttlMs, lease });
  }

  /**
   * The cached answer, or that of `fill`. Of many callers at once one fills. The answer is always given, kept or not; what
   * `fill` throws, the caller gets.
   */
  async getOrSet<T>(
    query: string,
    fill: (context: FillContext) => Promise<T> | T,
    options: GetOrSetOptions = {},
  ): Promise<GetOrSetResult<T>> {
    this.#checkOpen();
    if (typeof fill !== "function") throw invalid(`fill: expected a function; got ${typeof fill}.`);
    const { ttl, signal, refresh = false } = options;
    if (ttl !== undefined) this.#ttl.check(ttl);
    const scope = this.#scopeOf(query, options);
    const sources = normaliseSources(options.sources ?? []);
    const demands = this.#demandsOf(scope, options);
    const result = await this.#filler.getOrSet({ scope, query, fill, sources, ttl, signal, refresh, demands });
    // As in get: all callers of one query expect what they themselves put there.
    return result as GetOrSetResult<T>;
  }

  /**
   * Makes everything that is built from these documents unservable, and deletes it.
   * @throws UnstaleError `UNSTALE_VALKEY_UNAVAILABLE`: not known to be done; repeat it.
   */
  async invalidateSource(ids: string | readonly string[]): Promise<InvalidationCounts> {
    this.#checkOpen();
    return this.#invalidations.run("source", { documents: normaliseSources(ids).map((id) => ({ id })), scopes: [] });
  }

  /** Makes all entries of a namespace and its deeper levels unservable, and deletes them. Throws as invalidateSource does. */
  async invalidateNamespace(namespace: string): Promise<InvalidationCounts> {
    this.#checkOpen();
    const checked = checkNamespace(namespace);
    if (checked === undefined) throw invalid('namespace: expected text such as "docs:technical"; got undefined.');
    return this.#invalidations.run("namespace", { documents: [], scopes: [{ namespace: checked }] });
  }

  /** Makes all entries of the deployment unservable, and deletes them. Throws as invalidateSource does. */
  async invalidateAll(): Promise<InvalidationCounts> {
    this.#checkOpen();
    return this.#invalidations.run("all", { documents: [], scopes: [{}] });
  }

  /** Callers who wait get `UNSTALE_CLOSED`; the signal of fills that run is aborted. Connections of our own end. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#invalidations.stop();
    await this.#filler.close(closed());
    await Promise.all(this.#ownStores.map((store) => store.close()));
  }

  #checkOpen(): void {
    if (this.#closing) throw closed();
  }

  #scopeOf(query: string, options: ScopeOptions): Scope {
    const namespace = checkNamespace(options.namespace);
    return { bucket: this.#keys.bucketOf({ namespace }, checkQuery(query)), namespace };
  }

  /** Those of the fill that asks are asked of what it is built from. */
  #demandsOf(scope: Scope, options: DemandOptions): Demands | undefined {
    return mergeDemands(checkDemands(options), currentFill()?.demandsFor(this.#originOf(scope)));
  }

  #originOf({ bucket }: Scope): Origin {
    return { cache: this, deployment: this.#deployment.id, bucket };
  }
}

function parseLease(text: unknown): Lease | "newer" {
  const lease = typeof text === "string" ? decodeLease(text) : undefined;
  if (lease) return lease;
  // Of a later version of this library, in another process.
  if (typeof text === "string" && /^u\d+-/.test(text) && !text.startsWith("u1-")) return "newer";
  throw invalid("lease: expected the text that get() or lease() gave; got something else.");
}

function tooLarge(bytes: number, limit: number): string {
  return `response: expected at most ${limit} bytes (maxResponseBytes); got ${bytes}.`;
}

function closed(): UnstaleError {
  return cacheError("UNSTALE_CLOSED", "The cache was closed; make a new one.");
}

function invalid(message: string): UnstaleError {
  return cacheError("UNSTALE_INVALID_ARGUMENT", message);
}
