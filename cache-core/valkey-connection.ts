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
  /** For clients that were made with `lazyConnect`. */
  connect?(): Promise<unknown>;
  /** The socket, where the client shows one. */
  readonly stream?: Corkable | undefined;
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
  const { client, owned, trouble } = clientOf(options);
  const patience = new Patience(options.timeoutMs);
  const together = writeTogether(client);
  const whenReady = readiness(client);
  let closed = false;

  /** Sends when the connection is ready. `mend` may know another way to a reply. */
  const bounded = (
    { words, send }: { readonly words: number; readonly send: () => Promise<unknown> },
    mend?: (error: unknown) => Promise<unknown> | undefined,
  ): Promise<unknown> => {
    if (closed) return Promise.reject(afterClose());
    return new Promise((resolve, reject) => {
      const end = (value: unknown): void => {
        patience.end(waiting);
        resolve(value);
      };
      const fail = (error: unknown): void => {
        patience.end(waiting);
        reject(explain(error));
      };
      const go = (): void => {
        together.hold();
        const reply = send();
        if (words > largeCommand) together.release();
        reply.then(end, (error) => {
          const again = mend?.(error);
          if (again) again.then(end, fail);
          else fail(error);
        });
      };
      const waiting = patience.begin(() => {
        whenReady.forget(go);
        reject(closed ? afterClose() : explain(new Error(`no answer within ${options.timeoutMs} ms${trouble()}`)));
      });
      if (client.status === "ready") go();
      else whenReady.begin(go);
    });
  };

  return {
    call: (command, ...args) => bounded({ words: args.length, send: () => client.call(command, ...args) }),
    run: ({ source, sha }, keys, args) => {
      const words = [...keys, ...args.map(String)];
      return bounded({ words: words.length, send: () => client.evalsha(sha, keys.length, ...words) }, (error) =>
        error instanceof Error && error.message.startsWith("NOSCRIPT")
          ? client.eval(source, keys.length, ...words)
          : undefined,
      );
    },
    close: async () => {
      if (closed) return;
      closed = true;
      owned?.disconnect();
      patience.expireAll();
    },
  };
}

/** Commands that wait for the connection share one listener: there may be hundreds of them. */
function readiness(client: ReadyClient): { begin(go: () => void): void; forget(go: () => void): void } {
  const waiting = new Set<() => void>();
  const onReady = (): void => {
    const due = [...waiting];
    waiting.clear();
    for (const go of due) go();
  };
  return {
    begin: (go) => {
      if (waiting.size === 0) client.once("ready", onReady);
      waiting.add(go);
      // A client that connects lazily waits to be asked; its failure shows as no answer.
      if (client.status === "wait") client.connect?.().catch(() => undefined);
    },
    forget: (go) => {
      waiting.delete(go);
      if (waiting.size === 0) client.removeListener("ready", onReady);
    },
  };
}

interface Client {
  readonly client: ReadyClient;
  readonly owned?: Redis;
  /** Why the connection is not ready, where it said so: a refused password looks like silence otherwise. */
  readonly trouble: () => string;
}

function clientOf({ valkey, onError }: ConnectionOptions): Client {
  if (isReadyClient(valkey)) {
    if (valkey.options?.keyPrefix) {
      throw cacheError(
        "UNSTALE_INVALID_ARGUMENT",
        `valkey: a client without keyPrefix is expected (it would not reach into dependency sets); got keyPrefix ` +
          `${JSON.stringify(valkey.options.keyPrefix)}. Use the option entryPrefix instead.`,
      );
    }
    return { client: valkey, trouble: () => "" };
  }
  const common: RedisOptions = {
    enableOfflineQueue: false,
    // A command that was under way when the connection broke is reported, not sent again behind the caller's back.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: null,
    connectTimeout: 5_000,
    // A connection that does not hang up by itself must not hold a program up.
    disconnectTimeout: 500,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 5), 1_000),
    // A primary that became a replica answers READONLY: find the new one.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  };
  const owned = typeof valkey === "string" ? new Redis(checkUrl(valkey), common) : new Redis({ ...common, ...valkey });
  let last: Error | undefined;
  owned.on("error", (error: Error) => {
    last = error;
    onError?.(error);
  });
  owned.on("ready", () => {
    last = undefined;
  });
  const trouble = (): string => (last?.message ? `; the connection says: ${last.message}` : "");
  // iovalkey's overloads say the same in more ways than this port needs.
  return { client: owned as unknown as ReadyClient, owned, trouble };
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

function afterClose(): UnstaleError {
  return cacheError("UNSTALE_CLOSED", "The cache was closed; make a new one.");
}

interface Waiting {
  readonly until: number;
  /** Absent once the command has ended. */
  expire: (() => void) | undefined;
}

/**
 * Bounds the time of commands, waiting for the connection included. All of them have the same time, so they expire in the
 * order in which they began, and one timer is enough: it is for the oldest that has not ended.
 */
class Patience {
  readonly #ms: number;
  #queue: Waiting[] = [];
  /** Where the oldest is; those before it have ended. */
  #oldest = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number) {
    this.#ms = ms;
  }

  begin(expire: () => void): Waiting {
    const waiting: Waiting = { until: performance.now() + this.#ms, expire };
    this.#queue.push(waiting);
    this.#timer ??= setTimeout(() => this.#tick(), this.#ms);
    return waiting;
  }

  end(waiting: Waiting): void {
    waiting.expire = undefined;
    this.#forgetEnded();
  }

  expireAll(): void {
    for (const waiting of this.#queue.slice(this.#oldest)) {
      waiting.expire?.();
      waiting.expire = undefined;
    }
    this.#forgetEnded();
  }

  #tick(): void {
    const now = performance.now();
    for (let oldest = this.#queue[this.#oldest]; oldest && oldest.until <= now; oldest = this.#queue[this.#oldest]) {
      this.#oldest += 1;
      oldest.expire?.();
    }
    this.#timer = undefined;
    this.#forgetEnded();
    const next = this.#queue[this.#oldest];
    if (next) this.#timer = setTimeout(() => this.#tick(), next.until - now);
  }

  #forgetEnded(): void {
    const queue = this.#queue;
    while (this.#oldest < queue.length && queue[this.#oldest]?.expire === undefined) this.#oldest += 1;
    if (this.#oldest === queue.length) {
      this.#queue = [];
      this.#oldest = 0;
      clearTimeout(this.#timer);
      this.#timer = undefined;
    } else if (this.#oldest > 1_000 && this.#oldest * 2 > queue.length) {
      this.#queue = queue.slice(this.#oldest);
      this.#oldest = 0;
    }
  }
}

interface Corkable {
  cork(): void;
  uncork(): void;
}

/** A command of more words leaves at once: its own writing is the cost, and the server may as well begin with it. */
const largeCommand = 100;

/**
 * iovalkey writes each command to the socket by itself. Holding the socket back until the end of this turn sends what many
 * callers ask for at once in one write, which is most of the cost of a small command. Nothing waits longer for it: the end
 * of the turn comes before anything else can.
 */
function writeTogether(client: ReadyClient): { hold(): void; release(): void } {
  let held: Corkable | undefined;
  return {
    hold: () => {
      const { stream } = client;
      if (!stream || stream === held) return;
      held = stream;
      stream.cork();
      process.nextTick(() => {
        if (held !== stream) return;
        held = undefined;
        stream.uncork();
      });
    },
    release: () => {
      held?.uncork();
      held = undefined;
    },
  };
}

const passing =
  /^(LOADING|BUSY|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|OOM|MOVED|ASK|UNBLOCKED|-?FAILOVER)/;

/** A reply that waiting can mend is `UNSTALE_VALKEY_UNAVAILABLE`, as is no reply; any other is `UNSTALE_VALKEY_REFUSED`. */
function explain(error: unknown): UnstaleError {
  if (isUnstaleError(error)) return error;
  const message = (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
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
