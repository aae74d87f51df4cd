import { hashSlot, type ReadyClient, type ReadyCluster } from "@unstale/cache-core";
import { RespClient } from "./resp.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A server that stands alone, or the primaries of a cluster whose slots stay where they are. */
export type ServerAddress = Address | { readonly nodes: readonly Address[] };

/** Connections to one server or to several, and which of them has a key. */
export interface Wires {
  readonly all: readonly RespClient[];
  at(key: string): RespClient;
  /** For the store. */
  readonly target: ReadyClient | ReadyCluster;
}

export async function wire(server: ServerAddress): Promise<Wires> {
  if (!("nodes" in server)) {
    const client = await RespClient.connect(server.host, server.port);
    return { all: [client], at: () => client, target: client };
  }
  const all = await Promise.all(server.nodes.map(({ host, port }) => RespClient.connect(host, port)));
  const slots = slotsOf((await all[0]?.call("CLUSTER", "SLOTS")) as Range[]);
  const byName = new Map(all.map((client) => [`${client.options.host}:${client.options.port}`, client]));
  const at = (key: string): RespClient => {
    const client = byName.get(slots[hashSlot(key)]?.[0] ?? "");
    if (!client) throw new Error(`Nobody serves the slot of ${key}.`);
    return client;
  };
  return { all, at, target: clusterOf(all, slots) };
}

type Range = readonly [from: number, to: number, primary: readonly [host: string, port: number]];

function slotsOf(ranges: readonly Range[]): readonly (readonly string[])[] {
  const slots: string[][] = [];
  for (const [from, to, [host, port]] of ranges) {
    for (let slot = from; slot <= to; slot += 1) slots[slot] = [`${host}:${port}`];
  }
  return slots;
}

function clusterOf(all: readonly ReadyClient[], slots: ReadyCluster["slots"]): ReadyCluster {
  return {
    isCluster: true,
    status: "ready",
    slots,
    options: {},
    nodes: () => all,
    refreshSlotsCache: (callback) => callback(),
    on: () => undefined,
    once: () => undefined,
    removeListener: () => undefined,
  };
}
