import { createHash } from "node:crypto";
import { Redis, type RedisOptions } from "iovalkey";
import { cacheError, isUnstaleError, type UnstaleError } from "./errors.ts";

/** The commands of a ready iovalkey or ioredis client (or cluster) that the store uses. */
export interface ReadyClient {
  readonly status: string;
  readonly options?: { readonly keyPrefix?: string | undefined };
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
  evalsha(sha: string, keys: number, ...args: string[]): Promise<unknown>;
  eval(script: string, keys: number, ...args: string[]): Promise<unknown>;
  once(event: "ready", listener: () => void): unknown;
  removeListener(event: "ready", listener: () => void): unknown;
}

/**
 * Where Valkey is: a URL (`redis://`, `valkey://`, `rediss://`, `valkeys://`), options of iovalkey (Sentinels too:
 * `{ sentinels, name }`), or a ready client, which is never closed by us.
 */
export type ValkeyTarget = string | RedisOptions | ReadyClient;

export interface ConnectionOptions {
  readonly valkey: ValkeyTarget;
  /** How long one command may take, waiting for the connection included, in ms. */
  readonly timeoutMs: number;
  /** Told of connection errors; they are no reason to crash. */
  readonly onError?: ((error: Error) => void) | undefined;
}

/** One Lua script: sent by its SHA, whole only when the server does not know it. */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

export function script(source: string): Script {
  return { source, sha: createHash("sha1").update(source).digest("hex") };
}

/** A connection that fails in bounded time: no endless queue while Valkey is away. */
export interface ValkeyConnection {
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** Ends the connection unless the caller brought it along. Idempotent. */
  close(): Promise<void>;
}

export function connect(options: ConnectionOptions): ValkeyConnection {
  const { client, owned } = clientOf(options);
  let closed = false;

  const bounded = async <T>(send: () => Promise<T>): Promise<T> => {
    if (closed) throw cacheError("UNSTALE_CLOSED", "The cache was closed; make a new one.");
    const deadline = new Deadline(options.timeoutMs);
    try {
      await deadline.race(ready(client, deadline));
      return await deadline.race(send());
    } catch (error) {
      throw explain(error);
    } finally {
      deadline.end();
    }
  };

  return {
    call: (command, ...args) => bounded(() => client.call(command, ...args)),
    run: ({ source, sha }, keys, args) => {
      const words = [...keys, ...args.map(String)];
      return bounded(async () => {
        try {
          return await client.evalsha(sha, keys.length, ...words);
        } catch (error) {
          if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
          return client.eval(source, keys.length, ...words);
        }
      });
    },
    close: async () => {
      if (closed) return;
      closed = true;
      owned?.disconnect();
    },
  };
}

function clientOf({ valkey, onError }: ConnectionOptions): { client: ReadyClient; owned?: Redis } {
  if (isReadyClient(valkey)) {
    if (valkey.options?.keyPrefix) {
      throw cacheError(
        "UNSTALE_INVALID_ARGUMENT",
        `valkey: a client without keyPrefix is expected (it would not reach into dependency sets); got keyPrefix ` +
          `${JSON.stringify(valkey.options.keyPrefix)}. Use the option entryPrefix instead.`,
      );
    }
    return { client: valkey };
  }
  const common: RedisOptions = {
    enableOfflineQueue: false,
    // A command that was under way when the connection broke is reported, not sent again behind the caller's back.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: null,
    connectTimeout: 5_000,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 5), 1_000),
    // A primary that became a replica answers READONLY: find the new one.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  };
  const owned = typeof valkey === "string" ? new Redis(checkUrl(valkey), common) : new Redis({ ...common, ...valkey });
  owned.on("error", (error: Error) => onError?.(error));
  // iovalkey's overloads say the same in more ways than this port needs.
  return { client: owned as unknown as ReadyClient, owned };
}

function isReadyClient(valkey: ValkeyTarget): valkey is ReadyClient {
  return typeof valkey === "object" && "evalsha" in valkey && typeof valkey.evalsha === "function";
}

function checkUrl(text: string): string {
  const url = text.replace(/^valkey(s?):\/\//, (_, secure) => (secure ? "rediss://" : "redis://"));
  if (/^rediss?:\/\/\S+$/.test(url) && URL.canParse(url)) return url;
  throw cacheError(
    "UNSTALE_INVALID_ARGUMENT",
    `valkey: expected a URL such as "redis://127.0.0.1:6379" (or valkey://, rediss://, valkeys://); got ` +
      `${JSON.stringify(text.replace(/\/\/[^@/]*@/, "//[redacted]@"))}.`,
  );
}

/** One timer for the whole of a command: waiting for the connection and for the reply. */
class Deadline {
  readonly #expired: Promise<never>;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number) {
    this.#expired = new Promise((_, reject) => {
      this.#timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
    });
    this.#expired.catch(() => undefined);
  }

  race<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#expired]);
  }

  /** Rejects when the time is over. */
  get expired(): Promise<never> {
    return this.#expired;
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

async function ready(client: ReadyClient, deadline: Deadline): Promise<void> {
  if (client.status === "ready") return;
  let onReady: () => void = () => undefined;
  const event = new Promise<void>((resolve) => {
    onReady = resolve;
    client.once("ready", onReady);
  });
  try {
    await Promise.race([event, deadline.expired]);
  } finally {
    client.removeListener("ready", onReady);
  }
}

const passing =
  /^(LOADING|BUSY|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|OOM|MOVED|ASK|UNBLOCKED|-?FAILOVER)/;

/** A reply that waiting can mend is `UNSTALE_VALKEY_UNAVAILABLE`, as is no reply; any other is `UNSTALE_VALKEY_REFUSED`. */
function explain(error: unknown): UnstaleError {
  if (isUnstaleError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  const isReply = error instanceof Error && error.name === "ReplyError";
  if (!isReply || passing.test(message)) {
    return cacheError("UNSTALE_VALKEY_UNAVAILABLE", `Valkey cannot be used right now: ${message}.`, {
      cause: error,
      details: { reply: isReply ? message.split(" ", 1)[0] : undefined },
    });
  }
  const hint = /^(NOAUTH|WRONGPASS|NOPERM)/.test(message) ? " Check user, password and ACL." : "";
  return cacheError("UNSTALE_VALKEY_REFUSED", `Valkey refused: ${message}.${hint}`, { cause: error });
}
