import type { CacheStore, Snapshot } from "@unstale/cache-core";
import { type Bench, check, type Lab } from "./bench.ts";
import { isServed, openSnapshot } from "./entries.ts";
import { closedLoop, inParallel } from "./load.ts";
import { openPeers, type Peer, peerWorks } from "./peers.ts";
import { plainWrite } from "./plain.ts";
import { amount, spread, type Table } from "./report.ts";
import { type Contestant, interleave, type Results } from "./rounds.ts";
import type { Server } from "./server.ts";

const entries = 5_000;
const response = "r".repeat(1_000);

export const commit: Bench = {
  name: "commit",
  title: "Fenced commit",
  goals: ["≥ 1.1 times plain pipelined at 64 concurrent", "ahead of every peer"],
  run: async (lab) => {
    const server = await lab.valkey();
    const store = server.store();
    await checkCommit(store);
    const peers = lab.pick(true, false) ? await openPeers(lab, server.port) : [];
    for (const peer of peers) check(await peerWorks(peer), `${peer.name} does not invalidate`);
    const rows: string[][] = [];
    const peerRows: string[][] = [];
    for (const callers of lab.pick([1, 64], [4])) {
      for (const sources of lab.pick([1, 5, 25], [2])) {
        lab.say(`${sources} sources, ${callers} concurrent`);
        const present = sources === 5 ? peers : [];
        const results = await measure(lab, { server, store, peers: present, callers, sources });
        rows.push(rowOf(`${sources} / ${callers}`, results));
        for (const peer of present) peerRows.push(peerRow(`${peer.name} / ${callers}`, peer.name, results));
      }
    }
    return [tableOf(rows), ...(peerRows.length > 0 ? [peerTable(peerRows)] : [])];
  },
};

interface Cell {
  readonly server: Server;
  readonly store: CacheStore;
  readonly peers: readonly Peer[];
  readonly callers: number;
  readonly sources: number;
}

async function measure(lab: Lab, { server, store, peers, callers, sources: count }: Cell): Promise<Results> {
  await server.empty();
  const { admin } = server;
  const snapshot = await openSnapshot(store);
  const client = server.client();
  const cache = server.cache();
  const queries = Array.from({ length: entries }, (_, at) => `a question of some length, number ${at}`);
  const sourcesOf = (at: number): string[] =>
    Array.from({ length: count }, (_, step) => `article:${(at * 7 + step * 131) % 2_000}`);
  const all = queries.map((_, at) => sourcesOf(at));
  const lease = await cache.lease(queries[0] ?? "");
  check((await cache.set(queries[0] ?? "", response, { sources: all[0], lease })).written, "a commit was refused");
  const leases: string[] = [];
  await inParallel([...queries.keys()], 16, async (at) => {
    leases[at] = await cache.lease(queries[at] ?? "");
  });
  const ms = lab.pick(callers === 1 ? 400 : 700, 30);
  const contestant = (name: string, write: (at: number) => Promise<unknown>): Contestant => ({
    name,
    run: () => closedLoop({ admin, callers, ms, operation: (index) => write(index % entries) }),
  });
  const results = await interleave(lab.pick(3, 1), [
    contestant("store", (at) => commitOne(store, snapshot, { query: queries[at] ?? "", sources: all[at] ?? [] })),
    contestant("cache", async (at) => {
      const result = await cache.set(queries[at] ?? "", response, { sources: all[at], lease: leases[at] });
      if (!result.written) throw new Error(`SmartCache.set was refused in a bench: ${result.reason}.`);
    }),
    contestant("plain", (at) => {
      const query = queries[at] ?? "";
      return plainWrite(client, { key: `plain:${at}`, query, response, sources: all[at] ?? [] });
    }),
    ...peers.map((peer) => contestant(peer.name, (at) => peer.set(`entry:${at}`, response, all[at] ?? []))),
  ]);
  client.disconnect();
  await cache.close();
  return results;
}

async function commitOne(
  store: CacheStore,
  lease: Snapshot,
  { query, sources }: { query: string; sources: readonly string[] },
): Promise<void> {
  const reply = await store.commit({ bucket: 0, query, response, sources, ttlMs: 3_600_000, lease });
  if (reply.kind !== "written") throw new Error(`A commit was refused in a bench: ${reply.reason}.`);
}

async function checkCommit(store: CacheStore): Promise<void> {
  const snapshot = await openSnapshot(store);
  await commitOne(store, snapshot, { query: "kept", sources: ["article:1"] });
  check(await isServed(store, snapshot, "kept"), "what was committed is not served");
  await store.invalidate({ bucket: 0, documents: [{ id: "article:2" }], scopes: [] });
  const late = {
    bucket: 0,
    query: "late",
    response,
    sources: ["article:1", "article:2"],
    ttlMs: 60_000,
    lease: snapshot,
  };
  const reply = await store.commit(late);
  check(reply.kind === "refused" && reply.reason === "changed", "a late write was accepted");
  check(!(await isServed(store, snapshot, "late")), "a refused write is served");
}

function rowOf(cell: string, results: Results): string[] {
  return [
    cell,
    spread(results.of("store")),
    spread(results.of("cache")),
    spread(results.of("plain")),
    spread(results.ratio("store", "plain")),
    spread(results.ratio("cache", "plain")),
    amount(results.of("store", "serverMicros").median),
    amount(results.of("plain", "serverMicros").median),
    amount(results.of("store", "clientMicros").median),
    amount(results.of("plain", "clientMicros").median),
  ];
}

function tableOf(rows: readonly (readonly string[])[]): Table {
  return {
    title: "Writes per second of 1 KB answers, by number of sources and callers",
    columns: [
      "sources / callers",
      "commit (store)",
      "SmartCache.set",
      "plain pipelined",
      "store : plain",
      "set : plain",
      "server µs: ours",
      "plain",
      "client µs: ours",
      "plain",
    ],
    rows,
    notes: [
      "5,000 answers over 2,000 documents, written again and again. `commit` is one script: it checks the lease, lists the entry in every set, lengthens their TTLs, writes, and looks at two random members of each set.",
      "`plain pipelined` is HSET, EXPIRE and the SADDs in one round trip, without fence, TTLs of sets, or removal of old listings.",
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
    title: "Peers, 5 sources",
    columns: ["peer / callers", "writes per second", "SmartCache.set : peer", "server µs"],
    rows,
    notes: ["Tags stand for sources. None of them notices a source that changes before the write."],
  };
}
