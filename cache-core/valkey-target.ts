import { Cluster, type ClusterOptions, Redis, type RedisOptions } from "iovalkey";
import { cacheError, type UnstaleError } from "./errors.ts";

/** The commands of a ready iovalkey or ioredis client that the store uses. */
export interface ReadyClient {
  readonly status: string;
  readonly options?: {
    readonly keyPrefix?: string | undefined;
    readonly host?: string | undefined;
    readonly port?: number | undefined;
  };
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
  evalsha(sha: string, keys: number, ...args: string[]): Promise<unknown>;
  eval(script: string, keys: number, ...args: string[]): Promise<unknown>;
  once(event: "ready", listener: () => void): unknown;
  removeListener(event: "ready", listener: () => void): unknown;
  /** For clients that were made with `lazyConnect`. */
  connect?(): Promise<unknown>;
  /** The socket, where the client shows one. */
  readonly stream?: Corkable | undefined;
}

export interface Corkable {
  cork(): void;
  uncork(): void;
}

type ClusterEvent = "ready" | "+node" | "-node";

/**
 * What the store uses of a ready iovalkey or ioredis `Cluster`: its connections, and its knowledge of who serves what.
 * Commands go to the connections, so that a redirection is ours to judge.
 */
export interface ReadyCluster {
  readonly isCluster: boolean;
  readonly status: string;
  /** For each slot the nodes that serve it, `host:port`, the primary first. */
  readonly slots: readonly (readonly string[])[];
  readonly options: { readonly keyPrefix?: string | undefined; readonly natMap?: ClusterOptions["natMap"] | undefined };
  nodes(role: "all"): readonly ReadyClient[];
  refreshSlotsCache(callback: () => void): unknown;
  on(event: ClusterEvent, listener: () => void): unknown;
  once(event: ClusterEvent, listener: () => void): unknown;
  removeListener(event: ClusterEvent, listener: () => void): unknown;
  connect?(): Promise<unknown>;
}

/** Some nodes of a cluster, the others are learnt from them; and options of iovalkey's `Cluster`, such as `natMap`. */
export interface ClusterTarget extends ClusterOptions {
  /** URLs or `host:port`. User, password and TLS of the first hold for all nodes, those not named here included. */
  readonly cluster: readonly string[];
}

/**
 * Where Valkey is: a URL (`redis://`, `valkey://`, `rediss://`, `valkeys://`), options of iovalkey (Sentinels too:
 * `{ sentinels, name }`), or a ready client, which is never closed by us. A cluster: several URLs or hosts separated by
 * commas (`redis://a:6379,b:6379`), `{ cluster: ["redis://a:6379"] }`, or a ready `Cluster`.
 */
export type ValkeyTarget = string | RedisOptions | ClusterTarget | ReadyClient | ReadyCluster;

export type Client = {
  /** Ends the connection, where it is ours. */
  readonly end: () => void;
  /** Why the connection is not ready, where it said so: a refused password looks like silence otherwise. */
  readonly trouble: () => string;
} & (
  | { readonly client: ReadyClient; readonly cluster?: undefined }
  | { readonly cluster: ReadyCluster; readonly client?: undefined }
);

export interface ClientOptions {
  readonly valkey: ValkeyTarget;
  /** A node of a cluster that owes an answer for so long is given up, in ms. */
  readonly timeoutMs: number;
  readonly onError?: ((error: Error) => void) | undefined;
}

/** @throws UnstaleError `UNSTALE_INVALID_ARGUMENT` */
export function clientOf({ valkey, timeoutMs, onError }: ClientOptions): Client {
  if (typeof valkey === "object" && ("evalsha" in valkey || "isCluster" in valkey)) {
    if (valkey.options?.keyPrefix) throw keyPrefixed(valkey.options.keyPrefix);
    const borrowed = { end: () => undefined, trouble: () => "" };
    return isReadyCluster(valkey) ? { ...borrowed, cluster: valkey } : { ...borrowed, client: valkey };
  }
  const owned = isClusterTarget(valkey) ? newCluster(valkey, timeoutMs) : newClient(valkey);
  let last: Error | undefined;
  const note = (error: Error): void => {
    // "No node answers" says less than what the nodes said.
    if (error.name !== "ClusterAllFailedError" || last === undefined) last = error;
    onError?.(error);
  };
  owned.on("error", note);
  owned.on("node error", note);
  owned.on("ready", () => {
    last = undefined;
  });
  const shared = {
    end: () => owned.disconnect(),
    trouble: () => (last?.message ? `; the connection says: ${last.message}` : ""),
  };
  // iovalkey's overloads say the same in more ways than this port needs.
  if (owned instanceof Cluster) return { ...shared, cluster: owned as unknown as ReadyCluster };
  return { ...shared, client: owned as unknown as ReadyClient };
}

/** Whether it is a cluster that is meant: then entries need buckets. */
export function isCluster(valkey: ValkeyTarget | undefined): boolean {
  if (valkey === undefined) return false;
  return isClusterTarget(valkey) || (typeof valkey === "object" && isReadyCluster(valkey));
}

function isReadyCluster(valkey: object): valkey is ReadyCluster {
  return "isCluster" in valkey && valkey.isCluster === true;
}

function isClusterTarget(valkey: ValkeyTarget): valkey is string | ClusterTarget {
  return typeof valkey === "string" ? valkey.includes(",") : "cluster" in valkey && Array.isArray(valkey.cluster);
}

const connection = {
  // A command that was under way when the connection broke is reported, not sent again behind the caller's back.
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: null,
  connectTimeout: 5_000,
  // A connection that does not hang up by itself must not hold a program up.
  disconnectTimeout: 500,
} as const satisfies RedisOptions;

const pauseBefore = (attempt: number): number => Math.min(50 * 2 ** Math.min(attempt, 5), 1_000);

function newClient(valkey: string | RedisOptions): Redis {
  const common: RedisOptions = {
    ...connection,
    enableOfflineQueue: false,
    retryStrategy: pauseBefore,
    // A primary that became a replica answers READONLY: find the new one.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  };
  return typeof valkey === "string" ? new Redis(checkUrl(valkey), common) : new Redis({ ...common, ...valkey });
}

function newCluster(valkey: string | ClusterTarget, timeoutMs: number): Cluster {
  const target: Pick<ClusterTarget, "cluster"> & ClusterOptions =
    typeof valkey === "string" ? { cluster: valkey.split(",") } : valkey;
  const { cluster, ...options } = target;
  const nodes = nodesOf(cluster);
  const [{ username, password, tls } = {}] = nodes;
  const login = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  };
  return new Cluster(
    nodes.map(({ host, port }) => ({ host, port })),
    {
      enableOfflineQueue: false,
      clusterRetryStrategy: pauseBefore,
      slotsRefreshTimeout: 1_000,
      // A promotion is noticed by the first redirection or silence; this is for connections that nobody uses.
      slotsRefreshInterval: 2_000,
      // Certificates are for names, not for the addresses behind them.
      ...(tls === undefined ? {} : { dnsLookup: (name, found) => found(null, name) }),
      ...options,
      redisOptions: { ...connection, socketTimeout: timeoutMs, ...login, ...options.redisOptions },
    },
  );
}

interface Node {
  readonly host: string;
  readonly port: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly tls?: object | undefined;
}

function nodesOf(addresses: readonly string[]): readonly Node[] {
  if (addresses.length === 0)
    throw invalid('valkey: expected at least one node of the cluster, such as "redis://a:6379".');
  return addresses.map((address) => {
    const text = address.trim();
    const url = new URL(checkUrl(withScheme(text)));
    const database = url.pathname.slice(1);
    if (database !== "" && database !== "0") {
      throw invalid(`valkey: a cluster has no databases but 0; got ${JSON.stringify(database)}.`);
    }
    return {
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port === "" ? 6_379 : Number(url.port),
      username: url.username === "" ? undefined : decodeURIComponent(url.username),
      password: url.password === "" ? undefined : decodeURIComponent(url.password),
      tls: url.protocol === "rediss:" ? {} : undefined,
    };
  });
}

function withScheme(address: string): string {
  return address.includes("://") ? address : `redis://${address}`;
}

function checkUrl(text: string): string {
  const url = text.replace(/^valkey(s?):\/\//, (_, secure) => (secure ? "rediss://" : "redis://"));
  if (/^rediss?:\/\/\S+$/.test(url) && URL.canParse(url)) return url;
  throw invalid(
    `valkey: expected a URL such as "redis://127.0.0.1:6379" (or valkey://, rediss://, valkeys://); got ` +
      `${JSON.stringify(text.replace(/\/\/[^@/]*@/, "//[redacted]@"))}.`,
  );
}

function keyPrefixed(keyPrefix: string): UnstaleError {
  return invalid(
    `valkey: a client without keyPrefix is expected (it would not reach into dependency sets); got keyPrefix ` +
      `${JSON.stringify(keyPrefix)}. Use the option entryPrefix instead.`,
  );
}

function invalid(message: string): UnstaleError {
  return cacheError("UNSTALE_INVALID_ARGUMENT", message);
}
