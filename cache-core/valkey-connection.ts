import { createHash } from "node:crypto";
import { cacheError, isUnstaleError, type UnstaleError } from "./errors.ts";
import { Patience } from "./patience.ts";
import { clusterRouter, type Router, type Send, type Server, standaloneRouter } from "./valkey-cluster.ts";
import { type ClientOptions, type Corkable, clientOf, type ReadyClient, type ReadyCluster } from "./valkey-target.ts";

/** One Lua script: sent by its SHA, whole only when the server does not know it. */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

export function script(source: string): Script {
  return { source, sha: createHash("sha1").update(source).digest("hex") };
}

/** A connection that fails in bounded time: no endless queue while Valkey is away. All keys of a command are of one slot. */
export interface ValkeyConnection {
  /** A command whose first argument is a key. */
  call(command: string, key: string, ...args: (string | number)[]): Promise<unknown>;
  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** Each server that serves one of the keys; on a standalone Valkey the only one. Waits for the connection. */
  serversOf(keys: readonly string[]): Promise<readonly ServerConnection[]>;
  /**
   * The same, of servers that answered the last command on each key: those whose replicas WAIT is to ask.
   * @throws UnstaleError `UNSTALE_VALKEY_UNAVAILABLE`: another one serves it by now
   */
  answeredFor(keys: readonly string[]): readonly ServerConnection[];
  /** Ends the connection unless the caller brought it along. Idempotent. */
  close(): Promise<void>;
}

/** One server, for commands that have no key. */
export interface ServerConnection {
  /** Tells servers of one cluster apart; empty on a standalone Valkey. */
  readonly name: string;
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
}

/** `timeoutMs`: how long one command may take, waiting for the connection included. */
export function connect(options: ClientOptions): ValkeyConnection {
  const connected = clientOf(options);
  const { end: disconnect, trouble } = connected;
  const client = connected.cluster ?? connected.client;
  const router: Router = connected.cluster ? clusterRouter(connected.cluster) : standaloneRouter(connected.client);
  const explain = connected.cluster ? explainReply : explainToStandalone;
  const patience = new Patience(options.timeoutMs);
  const whenReady = readiness(client);
  const together = writeTogether();
  let closed = false;

  /** Sends when the connection is ready. */
  const bounded = <T>(send: () => Promise<T>): Promise<T> => {
    if (closed) return Promise.reject(afterClose());
    return new Promise((resolve, reject) => {
      const end = (value: T): void => {
        patience.end(waiting);
        resolve(value);
      };
      const fail = (error: unknown): void => {
        patience.end(waiting);
        reject(explain(error));
      };
      const go = (): void => void send().then(end, fail);
      const waiting = patience.begin(() => {
        whenReady.forget(go);
        if (!closed) router.doubt();
        reject(closed ? afterClose() : explain(new Error(`no answer within ${options.timeoutMs} ms${trouble()}`)));
      });
      if (client.status === "ready") go();
      else whenReady.begin(go);
    });
  };

  const toServer = ({ name, client: server }: Server): ServerConnection => ({
    name,
    call: (command, ...args) => bounded(() => server.call(command, ...args)),
  });

  return {
    call: (command, key, ...args) => {
      const send: Send = (server, asking) => {
        together.hold(server);
        if (asking) ask(server);
        const reply = server.call(command, key, ...args);
        if (args.length > largeCommand) together.release(server);
        return reply;
      };
      return bounded(() => router.send(key, send));
    },
    run: ({ source, sha }, keys, args) => {
      const words = [...keys, ...args.map(String)];
      const send: Send = (server, asking) => {
        together.hold(server);
        if (asking) ask(server);
        const reply = server.evalsha(sha, keys.length, ...words);
        if (words.length > largeCommand) together.release(server);
        return reply.catch((error: unknown) => {
          if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
          if (asking) ask(server);
          return server.eval(source, keys.length, ...words);
        });
      };
      return bounded(() => router.send(keys[0] ?? "", send));
    },
    serversOf: (keys) => bounded(async () => router.serversOf(keys).map(toServer)),
    answeredFor: (keys) => router.answeredFor(keys).map(toServer),
    close: async () => {
      if (closed) return;
      closed = true;
      disconnect();
      patience.expireAll();
    },
  };
}

/** The next command on this connection may be on a slot that the server is about to take over. */
function ask(server: ReadyClient): void {
  server.call("ASKING").catch(() => undefined);
}

/** Commands that wait for the connection share one listener: there may be hundreds of them. */
function readiness(client: ReadyClient | ReadyCluster): { begin(go: () => void): void; forget(go: () => void): void } {
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

function afterClose(): UnstaleError {
  return cacheError("UNSTALE_CLOSED", "The cache was closed; make a new one.");
}

/** A command of more words leaves at once: its own writing is the cost, and the server may as well begin with it. */
const largeCommand = 100;

/**
 * iovalkey writes each command to the socket by itself. Holding the socket back until the end of this turn sends what many
 * callers ask for at once in one write, which is most of the cost of a small command. Nothing waits longer for it: the end
 * of the turn comes before anything else can.
 */
function writeTogether(): { hold(server: ReadyClient): void; release(server: ReadyClient): void } {
  const held = new Set<Corkable>();
  const letGo = (stream: Corkable): void => {
    if (held.delete(stream)) stream.uncork();
  };
  return {
    hold: ({ stream }) => {
      if (!stream || held.has(stream)) return;
      held.add(stream);
      stream.cork();
      process.nextTick(letGo, stream);
    },
    release: ({ stream }) => {
      if (stream) letGo(stream);
    },
  };
}

const passing =
  /^(LOADING|BUSY|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|OOM|MOVED|ASK|UNBLOCKED|-?FAILOVER)/;

/** What a script says that meets in its midst a slot on the move, or a cluster that lost its majority. */
const movingInScript = /undeclared keys were accessed during rehashing|Script attempted to access a non local key/;
const downInScript = /Script attempted to execute a (write )?command while the cluster is down/;

/** A reply that waiting can mend is `UNSTALE_VALKEY_UNAVAILABLE`, as is no reply; any other is `UNSTALE_VALKEY_REFUSED`. */
function explainReply(error: unknown): UnstaleError {
  if (isUnstaleError(error)) return error;
  const message = (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
  const isReply = error instanceof Error && error.name === "ReplyError";
  // A script that was broken off by a slot on the move is one that was not let in, a little later.
  const isMoving = movingInScript.test(message);
  if (!isReply || isMoving || passing.test(message) || downInScript.test(message)) {
    const reply = isMoving ? "TRYAGAIN" : message.split(" ", 1)[0];
    return cacheError("UNSTALE_VALKEY_UNAVAILABLE", `Valkey cannot be used right now: ${message}.`, {
      cause: error,
      details: { reply: isReply ? reply : undefined },
    });
  }
  const hint = /^(NOAUTH|WRONGPASS|NOPERM)|ACL failure/.test(message) ? " Check user, password and ACL." : "";
  return cacheError("UNSTALE_VALKEY_REFUSED", `Valkey refused: ${message}.${hint}`, { cause: error });
}

/** One server cannot be told to ask another. */
function explainToStandalone(error: unknown): UnstaleError {
  const message = error instanceof Error ? error.message : "";
  if (!/^(MOVED|ASK|CROSSSLOT) /.test(message)) return explainReply(error);
  return cacheError(
    "UNSTALE_VALKEY_REFUSED",
    `Valkey refused: ${message}. This server is a node of a Valkey Cluster: give several of its nodes ` +
      "(redis://a:6379,b:6379) and buckets (16), or a server that stands alone.",
    { cause: error },
  );
}
