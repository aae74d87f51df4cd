import type { CacheStore, SmartCache } from "@unstale/cache-core";
import { createKeys, defaultLayout } from "@unstale/cache-core";
import { type Bench, check, type Lab } from "./bench.ts";
import { commitEntries, isServed, openSnapshot } from "./entries.ts";
import { closedLoop, inParallel } from "./load.ts";
import { openPeers, type Peer } from "./peers.ts";
import { saturate } from "./raw-client.ts";
import { amount, share, spread, type Table } from "./report.ts";
import { type Contestant, interleave, type Results } from "./rounds.ts";
import type { Server } from "./server.ts";

const count = 2_000;
const queries = Array.from({ length: count }, (_, at) => `a question of some length, number ${at}`);
const keys = createKeys(defaultLayout);

export const read: Bench = {
  name: "read",
  title: "Verified read",
  goals: [
    "one round trip",
    "≥ 95 % of HGETALL through iovalkey up to 5 sources, ≥ 70 % at 25",
    "server CPU ≤ 4 times HGETALL at 5 sources",
    "≥ 70 k verified hits/s on one saturated Valkey core at 5 sources",
    "ahead of every peer with comparable tags",
  ],
  run: async (lab) => {
    const server = await lab.valkey();
    const store = server.store();
    const cache = server.cache();
    await checkReads(server, store, cache);
    const peers = lab.pick(true, false) ? await openPeers(lab, server.port) : [];
    const found: Found = { rows: [], coreRows: [], peerRows: [] };
    for (const bytes of lab.pick([1_000, 20_000], [100])) {
      for (const sources of lab.pick([1, 5, 25], [2])) {
        const scene = await fill({ server, store, cache, bytes, sources });
        await measureScene(lab, { scene, peers: sources === 5 && bytes === 1_000 ? peers : [] }, found);
      }
    }
    const { rows, coreRows, peerRows } = found;
    return [tableOf(rows), coreTable(coreRows), ...(peerRows.length > 0 ? [peerTable(peerRows)] : [])];
  },
};

interface Scene {
  readonly server: Server;
  readonly store: CacheStore;
  readonly cache: SmartCache;
  readonly bytes: number;
  readonly sources: number;
  readonly versions: readonly string[];
}

interface Found {
  readonly rows: string[][];
  readonly coreRows: string[][];
  readonly peerRows: string[][];
}

async function measureScene(
  lab: Lab,
  { scene, peers }: { scene: Scene; peers: readonly Peer[] },
  { rows, coreRows, peerRows }: Found,
): Promise<void> {
  const { bytes, sources } = scene;
  await fillPeers(peers, bytes, sources);
  for (const callers of lab.pick([1, 64], [4])) {
    lab.say(`${sources} sources, ${bytes / 1_000} KB, ${callers} concurrent`);
    const results = await measure(lab, scene, { callers, peers });
    rows.push(rowOf(`${sources} / ${bytes / 1_000} KB / ${callers}`, results));
    for (const peer of peers) peerRows.push(peerRow(`${peer.name} / ${callers}`, peer.name, results));
  }
  coreRows.push(await core(lab, scene));
}

async function fill(scene: Omit<Scene, "versions">): Promise<Scene> {
  const { server, store, bytes, sources } = scene;
  await server.empty();
  const snapshot = await openSnapshot(store);
  const entries = queries.map((query, at) => ({ query, sources: sourcesOf(at, sources) }));
  await commitEntries(store, { snapshot, entries, responseBytes: bytes });
  return { ...scene, versions: snapshot.versions };
}

function sourcesOf(at: number, sources: number): string[] {
  return Array.from({ length: sources }, (_, step) => `article:${(at * 7 + step * 131) % 5_000}`);
}

async function fillPeers(peers: readonly Peer[], bytes: number, sources: number): Promise<void> {
  const value = "r".repeat(bytes);
  for (const peer of peers) {
    await inParallel(queries, 16, (query) => peer.set(query, value, sourcesOf(queries.indexOf(query), sources)));
  }
}

async function measure(
  lab: Lab,
  { server, store, cache, versions }: Scene,
  { callers, peers }: { callers: number; peers: readonly Peer[] },
): Promise<Results> {
  const client = server.client();
  const names = queries.map((query) => keys.entry({ bucket: 0 }, query, versions));
  const ms = lab.pick(400, 30);
  const contestant = (name: string, operation: (at: number) => Promise<unknown>): Contestant => ({
    name,
    run: () => closedLoop({ admin: server.admin, callers, ms, operation: (index) => operation((index * 7) % count) }),
  });
  const hit = (found: unknown): void => {
    if (!found) throw new Error("A miss in a bench of hits.");
  };
  const results = await interleave(lab.pick(3, 1), [
    contestant("store", async (at) =>
      hit((await store.read({ bucket: 0, query: queries[at] ?? "", versions })).kind === "hit"),
    ),
    contestant("HGETALL", (at) => client.hgetall(names[at] ?? "")),
    // Once more, since a read may run out of its 250 ms on a busy machine.
    contestant("cache", async (at) => {
      const query = queries[at] ?? "";
      hit((await cache.get(query)).hit || (await cache.get(query)).hit);
    }),
    contestant("miss", (at) => store.read({ bucket: 0, query: `never asked ${at}`, versions })),
    ...peers.map((peer) => contestant(peer.name, async (at) => hit(await peer.get(queries[at] ?? "")))),
  ]);
  client.disconnect();
  return results;
}

/** Both commands as they go over the wire, sent by a client that does nothing but count bytes: what the server can do. */
async function core(lab: Lab, { server, store, bytes, sources, versions }: Scene): Promise<string[]> {
  const hgetall = queries.map((query) => ["HGETALL", keys.entry({ bucket: 0 }, query, versions)]);
  const reads = await recordedReads(server, store, versions);
  const { admin, port } = server;
  const ms = lab.pick(600, 30);
  const results = await interleave(lab.pick(3, 1), [
    { name: "read", run: () => saturate({ admin, port, commands: reads, ms, connections: 4, depth: 16 }) },
    { name: "HGETALL", run: () => saturate({ admin, port, commands: hgetall, ms, connections: 4, depth: 16 }) },
  ]);
  return [
    `${sources} / ${bytes / 1_000} KB`,
    spread(results.of("read", "perCore")),
    spread(results.of("HGETALL", "perCore")),
    amount(results.of("read", "serverMicros").median),
    amount(results.of("HGETALL", "serverMicros").median),
    spread(results.ratio("read", "HGETALL", "serverMicros")),
    spread(results.of("read")),
  ];
}

/** The very words that the store sends for each query. */
async function recordedReads(server: Server, store: CacheStore, versions: readonly string[]): Promise<string[][]> {
  const monitor = await server.client().monitor();
  const seen: string[][] = [];
  const wanted = queries.slice(0, 500);
  const all = new Promise<void>((resolve) => {
    monitor.on("monitor", (_time: string, words: string[]) => {
      if (words[0]?.toLowerCase() === "evalsha") seen.push(words);
      if (seen.length === wanted.length) resolve();
    });
  });
  for (const query of wanted) await store.read({ bucket: 0, query, versions });
  await all;
  monitor.disconnect();
  return seen;
}

async function checkReads(server: Server, store: CacheStore, cache: SmartCache): Promise<void> {
  const snapshot = await openSnapshot(store);
  const entries = ["one", "two", "three"].map((query) => ({ query, sources: [`d:${query}`, "d:all"] }));
  await commitEntries(store, { snapshot, entries, responseBytes: 10 });
  check((await cache.get("one")).hit, "SmartCache does not serve what was committed");
  const { admin } = server;
  const trips = async (): Promise<number> => Number(/calls=(\d+)/.exec(await statOf())?.[1] ?? 0);
  const statOf = async (): Promise<string> => /cmdstat_evalsha:.*/.exec(await admin.info("commandstats"))?.[0] ?? "";
  const before = await trips();
  await cache.get("two");
  check((await trips()) - before === 1, "a hit takes more than one round trip");
  await store.invalidate({ bucket: 0, documents: [{ id: "d:one" }], scopes: [] });
  check(!(await cache.get("one")).hit, "SmartCache serves what is stale");
  check(await isServed(store, snapshot, "two"), "an entry is gone though none of its documents changed");
  await store.invalidate({ bucket: 0, documents: [], scopes: [{}] });
  check(!(await cache.get("two")).hit, "SmartCache serves what was invalidated with everything");
}

function rowOf(cell: string, results: Results): string[] {
  return [
    cell,
    spread(results.of("store")),
    spread(results.of("cache")),
    spread(results.of("HGETALL")),
    amount(results.of("miss").median),
    share(results.ratio("store", "HGETALL")),
    share(results.ratio("cache", "HGETALL")),
    amount(results.of("store", "clientMicros").median),
    amount(results.of("HGETALL", "clientMicros").median),
  ];
}

function tableOf(rows: readonly (readonly string[])[]): Table {
  return {
    title: "Reads per second through iovalkey, by number of sources, size and callers",
    columns: [
      "sources / size / callers",
      "read (store)",
      "SmartCache.get",
      "HGETALL",
      "miss",
      "store : HGETALL",
      "get : HGETALL",
      "client µs: ours",
      "HGETALL",
    ],
    rows,
    notes: [
      "2,000 entries, all of them hits but in the column `miss`. HGETALL is given the key; a read hashes the query, sends one script and judges the reply.",
    ],
  };
}

function coreTable(rows: readonly (readonly string[])[]): Table {
  return {
    title: "What one core of the server can do, by number of sources and size",
    columns: [
      "sources / size",
      "verified hits per core-second",
      "HGETALL per core-second",
      "server µs: read",
      "HGETALL",
      "read : HGETALL",
      "hits/s seen",
    ],
    rows,
    notes: [
      "The commands as recorded from the store, on 4 connections, 16 deep, sent by a client that only counts bytes. A core-second is a second of CPU of the server's main thread, so that what else runs on the machine does not count; `hits/s seen` is by the clock.",
    ],
  };
}

function peerRow(cell: string, name: string, results: Results): string[] {
  return [
    cell,
    spread(results.of(name)),
    spread(results.ratio("cache", name)),
    amount(results.of(name, "serverMicros").median),
  ];
}

function peerTable(rows: readonly (readonly string[])[]): Table {
  return {
    title: "Peers, 5 sources, 1 KB",
    columns: ["peer / callers", "hits per second", "SmartCache.get : peer", "server µs"],
    rows,
    notes: [
      "bentocache and cacheable look at the tags on a read, as we do; async-cache-dedupe and envelop read one key without looking at anything, and delete when a tag changes.",
    ],
  };
}
