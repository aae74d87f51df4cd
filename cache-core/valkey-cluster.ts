/**
 * Which server gets a command, where Valkey is a cluster.
 *
 * Each command is on keys of one slot and goes to the connection of that slot's primary, as the client knows it. What the
 * server says then is judged for each command by itself:
 * - MOVED: somebody else serves the slot now. The command goes there, and the client learns anew who serves what.
 * - ASK: the slot is being moved, and this server has none of the keys. The command goes to the other one, this time only.
 * - TRYAGAIN: the slot is being moved, and the keys are at both ends. Nobody can answer before more keys have moved: it is
 *   the caller's to say what that means.
 * - CLUSTERDOWN, a connection that broke, silence: the client learns anew, and the caller is told. Whether the command had
 *   an effect is unknown, so it is not repeated here.
 */
import { setTimeout as pause } from "node:timers/promises";
import { cacheError } from "./errors.ts";
import { hashSlot } from "./hash-slot.ts";
import type { ReadyClient, ReadyCluster } from "./valkey-target.ts";

/** Sends a command to a server; called again, with `asking`, where another one is to be asked. */
export type Send = (server: ReadyClient, asking: boolean) => Promise<unknown>;

export interface Server {
  /** `host:port`; empty for the only one. */
  readonly name: string;
  readonly client: ReadyClient;
}

/** Who serves what. A standalone server serves everything. */
export interface Router {
  send(key: string, send: Send): Promise<unknown>;
  /** Each server that serves one of the keys, in the order of their names. */
  serversOf(keys: readonly string[]): readonly Server[];
  /**
   * Each server that last answered for one of the keys; keys that were never asked for have none.
   * @throws UnstaleError `UNSTALE_VALKEY_UNAVAILABLE`: another one serves it now
   */
  answeredFor(keys: readonly string[]): readonly Server[];
  /** Somebody did not answer: what is known may be outdated. */
  doubt(): void;
}

export function standaloneRouter(client: ReadyClient): Router {
  const only = [{ name: "", client }];
  return {
    send: (_, send) => send(client, false),
    serversOf: () => only,
    answeredFor: () => only,
    doubt: () => undefined,
  };
}

/** A slot may be handed on while it is looked for, but not for ever. */
const maxRedirections = 5;

export function clusterRouter(cluster: ReadyCluster): Router {
  const connectionTo = connectionsOf(cluster);
  const answered = new Map<number, ReadyClient>();
  let learning: Promise<void> | undefined;

  function primaryOf(slot: number): ReadyClient | undefined {
    const name = cluster.slots[slot]?.[0];
    return name === undefined ? undefined : connectionTo(name);
  }

  /** Asks the nodes who serves what; shared by all who ask meanwhile. */
  function learn(): Promise<void> {
    learning ??= new Promise<void>((resolve) => void cluster.refreshSlotsCache(resolve)).finally(() => {
      learning = undefined;
    });
    return learning;
  }

  function nodeAt(address: string, asked: ReadyClient): ReadyClient | undefined {
    const colon = address.lastIndexOf(":");
    // A server that does not know its own name leaves it out: it is the one that was asked.
    const host = address.slice(0, colon) || asked.options?.host;
    return connectionTo(outside(cluster, `${host}:${address.slice(colon + 1)}`));
  }

  /** Whom to send a command to that was answered with this error; `undefined` where sending it on is no help. */
  async function redirected({ error, asked }: Refused, slot: number, hop: number): Promise<Redirection | undefined> {
    const [kind, , address = ""] = error instanceof Error ? error.message.split(" ") : [];
    if ((kind !== "MOVED" && kind !== "ASK") || hop > maxRedirections) return undefined;
    if (kind === "MOVED" || !nodeAt(address, asked)) {
      await learn();
      // Nodes learn from each other, too: the next answer may know more.
      if (hop > 1) await pause(hop * 20);
    }
    const server = nodeAt(address, asked) ?? primaryOf(slot);
    return server && { server, asking: kind === "ASK" };
  }

  async function follow(slot: number, send: Send, refused: Refused, hop = 1): Promise<unknown> {
    const next = await redirected(refused, slot, hop);
    if (!next) {
      if (mayBeOutdated(refused.error)) void learn();
      throw refused.error;
    }
    let reply: unknown;
    try {
      reply = await send(next.server, next.asking);
    } catch (error) {
      return follow(slot, send, { error, asked: next.server }, hop + 1);
    }
    answered.set(slot, next.server);
    return reply;
  }

  return {
    send: (key, send) => {
      const slot = hashSlot(key);
      const server = primaryOf(slot);
      if (!server) {
        void learn();
        return Promise.reject(unserved(slot));
      }
      return send(server, false).then(
        (reply) => {
          answered.set(slot, server);
          return reply;
        },
        (error) => follow(slot, send, { error, asked: server }),
      );
    },
    serversOf: (keys) => distinct(keys.map((key) => primaryOf(hashSlot(key)) ?? throwUnserved(hashSlot(key)))),
    answeredFor: (keys) =>
      distinct(
        keys.flatMap((key) => {
          const slot = hashSlot(key);
          const server = answered.get(slot);
          if (server && server !== primaryOf(slot)) throwUnserved(slot);
          return server ?? [];
        }),
      ),
    doubt: () => void learn(),
  };
}

type Connections = (name: string) => ReadyClient | undefined;

const known = new WeakMap<ReadyCluster, Connections>();

/** A cluster's connections by name, looked up anew when one comes or goes; shared by all who use the same client. */
function connectionsOf(cluster: ReadyCluster): Connections {
  const found = known.get(cluster);
  if (found) return found;
  let byName: Map<string, ReadyClient> | undefined;
  const forget = (): void => {
    byName = undefined;
  };
  cluster.on("+node", forget);
  cluster.on("-node", forget);
  const connections: Connections = (name) => {
    byName ??= new Map(cluster.nodes("all").map((node) => [nameOf(node), node]));
    return byName.get(name);
  };
  known.set(cluster, connections);
  return connections;
}

interface Refused {
  readonly error: unknown;
  readonly asked: ReadyClient;
}

interface Redirection {
  readonly server: ReadyClient;
  readonly asking: boolean;
}

/** A reply that says nothing of who serves what comes from the right server. */
function mayBeOutdated(error: unknown): boolean {
  return (
    !(error instanceof Error) || error.name !== "ReplyError" || /^(MOVED|CLUSTERDOWN|READONLY)/.test(error.message)
  );
}

function nameOf({ options }: ReadyClient): string {
  return `${options?.host}:${options?.port}`;
}

/** As a server is reached from here, where its own name for itself holds inside its network only. */
function outside({ options: { natMap } }: ReadyCluster, name: string): string {
  const mapped = typeof natMap === "function" ? natMap(name) : natMap?.[name];
  return mapped ? `${mapped.host}:${mapped.port}` : name;
}

function distinct(clients: readonly ReadyClient[]): readonly Server[] {
  const servers = [...new Set(clients)].map((client) => ({ name: nameOf(client), client }));
  return servers.sort((one, other) => (one.name < other.name ? -1 : 1));
}

function throwUnserved(slot: number): never {
  throw unserved(slot);
}

function unserved(slot: number): Error {
  return cacheError(
    "UNSTALE_VALKEY_UNAVAILABLE",
    `Slot ${slot} of the Valkey Cluster is served by no node that can be reached.`,
    { details: { slot } },
  );
}
