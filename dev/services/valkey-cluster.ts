// A real Valkey Cluster of local processes: primaries and as many replicas of each as asked for, on 127.0.0.1. What it
// costs to have one is a second or two, most of it gossip.
import { setTimeout as delay } from "node:timers/promises";
import { Declined, ServiceUnavailableError } from "./ladder.ts";
import { freePort } from "./ports.ts";
import { type Progress, silent } from "./progress.ts";
import { startValkeyProcess, type ValkeyHandle } from "./valkey.ts";
import { findValkeyBinary } from "./valkey-binary.ts";
import { askValkey, parseValkeyUrl } from "./valkey-probe.ts";

export interface ClusterNode extends ValkeyHandle {
  /** As the cluster calls it. */
  readonly id: string;
  /** Sends commands to this node alone; a redirection is a rejection. */
  ask(...commands: readonly string[][]): Promise<string[]>;
}

export interface ValkeyClusterHandle {
  /** One line: what it is. */
  readonly chosen: string;
  /** All nodes, separated by commas. */
  readonly url: string;
  readonly nodes: readonly ClusterNode[];
  /** Those that serve slots now. */
  primaries(): Promise<readonly ClusterNode[]>;
  /** Who serves a slot now, as the nodes that answer say. */
  primaryOf(slot: number): Promise<ClusterNode>;
  /** Followers of a primary that are connected to it. */
  replicasOf(primary: ClusterNode): Promise<readonly ClusterNode[]>;
  /** Begins to move a slot; the keys stay where they are until they are moved. */
  beginMove(slot: number, target: ClusterNode): Promise<SlotMove>;
  /** Moves a slot with all its keys. */
  moveSlot(slot: number, target: ClusterNode): Promise<void>;
  /** Resolves when all nodes that run agree that every slot is served. */
  healthy(timeoutMs?: number): Promise<void>;
  /** Ends all nodes and removes their data. May be called again. */
  stop(): Promise<void>;
}

/** A slot between two nodes: the old one sends away (ASK) whoever asks for a key that it does not have. */
export interface SlotMove {
  /** Moves up to `count` keys; resolves to how many there were. */
  keys(count?: number): Promise<number>;
  /** Moves a key whose name is known. */
  key(name: string): Promise<void>;
  /** The target serves the slot from now on; keys that are left behind are lost, so all of them are moved first. */
  end(): Promise<void>;
}

export interface StartValkeyClusterOptions {
  /** Default 3, the least with which a cluster survives the loss of one. */
  readonly primaries?: number;
  /** Of each primary. Default 1. */
  readonly replicas?: number;
  /** How long a silent node counts as alive. Default 1500. */
  readonly nodeTimeoutMs?: number;
  /** Lines of valkey.conf for every node. */
  readonly config?: readonly string[];
  readonly progress?: Progress;
  readonly env?: NodeJS.ProcessEnv;
}

const SLOTS = 16_384;

/** @throws ServiceUnavailableError where there is no server program. */
export async function startValkeyCluster({
  primaries = 3,
  replicas = 1,
  nodeTimeoutMs = 1_500,
  config = [],
  progress = silent,
  env = process.env,
}: StartValkeyClusterOptions = {}): Promise<ValkeyClusterHandle> {
  const binary = await findValkeyBinary(env, progress);
  if (binary instanceof Declined) throw new ServiceUnavailableError(`A Valkey Cluster is needed: ${binary.why}.`);
  const startNode = async (): Promise<ClusterNode> => {
    const bus = await freePort();
    const lines = [
      "cluster-enabled yes",
      `cluster-port ${bus}`,
      `cluster-node-timeout ${nodeTimeoutMs}`,
      "cluster-require-full-coverage no",
      // A replica that was cut off for long may still take over: there is no other.
      "cluster-replica-validity-factor 0",
    ];
    const handle = await startValkeyProcess(binary, [...lines, ...config]);
    const address = parseValkeyUrl(handle.url);
    const ask = (...commands: readonly string[][]): Promise<string[]> => askValkey(address, commands, 5_000);
    const [id = ""] = await ask(["CLUSTER", "MYID"]);
    // Getters such as `pid` must stay what they are.
    return Object.create(handle, { id: { value: id }, ask: { value: ask }, busPort: { value: bus } }) as ClusterNode;
  };
  const starts = await Promise.allSettled(Array.from({ length: primaries * (1 + replicas) }, startNode));
  const nodes = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.stop())));
  try {
    const failed = starts.find((start) => start.status === "rejected");
    if (failed) throw failed.reason;
    await join(nodes, primaries);
    const chosen = `cluster of ${primaries} primaries with ${replicas} replicas each, ${binary.description}`;
    progress(chosen);
    return { ...controls(nodes), chosen, url: nodes.map((node) => node.url).join(","), nodes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The first ones take the slots, each of the others follows one of them. */
async function join(nodes: readonly ClusterNode[], primaries: number): Promise<void> {
  const [first] = nodes;
  await Promise.all(
    nodes.map(async (node, index) => {
      await node.ask(["CLUSTER", "SET-CONFIG-EPOCH", String(index + 1)]);
      if (index >= primaries) return;
      const from = Math.ceil((SLOTS * index) / primaries);
      const to = Math.ceil((SLOTS * (index + 1)) / primaries) - 1;
      await node.ask(["CLUSTER", "ADDSLOTSRANGE", String(from), String(to)]);
    }),
  );
  for (const node of nodes.slice(1)) {
    const { busPort } = node as ClusterNode & { readonly busPort: number };
    await first?.ask(["CLUSTER", "MEET", node.host, String(node.port), String(busPort)]);
  }
  const everyoneKnown = nodes.map((node) => node.id);
  await until("all nodes know each other", 20_000, async () => {
    const views = await Promise.all(nodes.map((node) => viewOf(node)));
    return views.every((view) => everyoneKnown.every((id) => view.some((line) => line.id === id)));
  });
  await Promise.all(
    nodes.slice(primaries).map((node, index) => {
      const leader = nodes[index % primaries];
      return node.ask(["CLUSTER", "REPLICATE", leader?.id ?? ""]);
    }),
  );
  await until("all replicas follow", 20_000, async () => {
    const infos = await Promise.all(nodes.slice(primaries).map((node) => node.ask(["INFO", "replication"])));
    return infos.every(([info]) => /master_link_status:up/.test(info ?? ""));
  });
  await controls(nodes).healthy();
}

interface Line {
  readonly id: string;
  readonly flags: readonly string[];
  readonly leader: string;
  readonly connected: boolean;
  readonly slots: readonly (readonly [number, number])[];
}

async function viewOf(node: ClusterNode): Promise<readonly Line[]> {
  const [text = ""] = await node.ask(["CLUSTER", "NODES"]);
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [id = "", , flags = "", leader = "", , , , link, ...ranges] = line.split(" ");
      const slots = ranges.flatMap((range) => {
        const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
        return from === undefined ? [] : [[Number(from), Number(to)] as const];
      });
      return { id, flags: flags.split(","), leader, connected: link === "connected", slots };
    });
}

type Controls = Omit<ValkeyClusterHandle, "chosen" | "url" | "nodes" | "stop">;

function controls(nodes: readonly ClusterNode[]): Controls {
  /** What the most recent configuration says: a node that was cut off may still believe in an older one. */
  async function owners(): Promise<readonly Line[]> {
    const running = nodes.filter((node) => node.pid !== undefined);
    const answers = await Promise.allSettled(
      running.map(async (node) => {
        const [info = ""] = await node.ask(["CLUSTER", "INFO"]);
        return { epoch: Number(/cluster_current_epoch:(\d+)/.exec(info)?.[1]), lines: await viewOf(node) };
      }),
    );
    const views = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    const [latest] = views.sort((one, other) => other.epoch - one.epoch);
    return latest?.lines.filter(({ flags, slots }) => flags.includes("master") && slots.length > 0) ?? [];
  }

  const nodeOf = (id: string): ClusterNode => {
    const found = nodes.find((node) => node.id === id);
    if (!found) throw new Error(`Expected ${id} to be a node of this cluster.`);
    return found;
  };

  async function primaryOf(slot: number): Promise<ClusterNode> {
    const owner = (await owners()).find(({ slots }) => slots.some(([from, to]) => from <= slot && slot <= to));
    if (!owner) throw new Error(`Expected slot ${slot} to be served by some node.`);
    return nodeOf(owner.id);
  }

  async function beginMove(slot: number, target: ClusterNode): Promise<SlotMove> {
    const source = await primaryOf(slot);
    await target.ask(["CLUSTER", "SETSLOT", String(slot), "IMPORTING", source.id]);
    await source.ask(["CLUSTER", "SETSLOT", String(slot), "MIGRATING", target.id]);
    const migrate = (keys: readonly string[]): Promise<string[]> =>
      source.ask(["MIGRATE", target.host, String(target.port), "", "0", "5000", "KEYS", ...keys]);
    const keys = async (count = 100): Promise<number> => {
      const [found = ""] = await source.ask(["CLUSTER", "GETKEYSINSLOT", String(slot), String(count)]);
      const names = found.split("\n").filter((name) => name !== "");
      if (names.length > 0) await migrate(names);
      return names.length;
    };
    return {
      keys,
      key: async (name) => void (await migrate([name])),
      end: async () => {
        while ((await keys()) > 0);
        await target.ask(["CLUSTER", "SETSLOT", String(slot), "NODE", target.id]);
        await source.ask(["CLUSTER", "SETSLOT", String(slot), "NODE", target.id]);
      },
    };
  }

  return {
    primaries: async () => (await owners()).map(({ id }) => nodeOf(id)),
    primaryOf,
    replicasOf: async (primary) => {
      const view = await viewOf(primary);
      return view.filter(({ leader, connected }) => leader === primary.id && connected).map(({ id }) => nodeOf(id));
    },
    beginMove,
    moveSlot: async (slot, target) => (await beginMove(slot, target)).end(),
    healthy: (timeoutMs = 20_000) =>
      until("every slot is served", timeoutMs, async () => {
        const running = nodes.filter((node) => node.pid !== undefined);
        const infos = await Promise.all(running.map((node) => node.ask(["CLUSTER", "INFO"])));
        return infos.every(([info = ""]) => /cluster_state:ok/.test(info) && /cluster_slots_ok:16384/.test(info));
      }),
  };
}

async function until(what: string, timeoutMs: number, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (await holds().catch(() => false)) return;
    if (Date.now() > deadline) throw new Error(`Expected within ${timeoutMs / 1_000} s that ${what}.`);
    await delay(25);
  }
}
