import { setTimeout as delay } from "node:timers/promises";
import { type CacheStore, createInvalidator, type Snapshot } from "@unstale/cache-core";
import { type Bench, check, type Lab } from "./bench.ts";
import { commitEntries, fillLargeSet, fillShelf, isServed, openSnapshot, shelfDocument } from "./entries.ts";
import { whilePinging } from "./ping.ts";
import { plainInvalidate } from "./plain.ts";
import { amount, spread, type Table } from "./report.ts";
import { type Contestant, interleave, percentile, type Results, type Sample } from "./rounds.ts";
import { countKeys, type Server } from "./server.ts";

const hot = shelfDocument("hot", 0);
const small = 200;

export const hotDocument: Bench = {
  name: "hot-document",
  title: "One document with very many entries",
  goals: [
    "barrier ≤ 5 ms",
    "all deleted ≤ 5 s",
    "another client's PING ≤ 10 ms at p99.9 and at worst",
    "small documents behind it not delayed",
  ],
  run: async (lab) => {
    const server = await lab.valkey();
    const store = server.store();
    await checkHot(server, store);
    const rows: string[][] = [];
    for (const entries of lab.pick([1_000, 100_000, 1_000_000], [500])) {
      lab.say(`${amount(entries)} entries`);
      const rounds = lab.pick(entries > 100_000 ? 1 : 3, 1);
      const results = await interleave(rounds, contestants({ server, store, entries }));
      for (const name of ["ours", "plain", "one script"])
        rows.push(rowOf(`${name}, ${amount(entries)}`, name, results));
    }
    return [tableOf(rows), ...(await idleTable(lab, server))];
  },
};

interface Scene {
  readonly server: Server;
  readonly store: CacheStore;
  readonly entries: number;
}

/** What one contestant does with a document: resolves at the barrier, and to a promise of all deletions. */
type Attack = (document: string) => Promise<{ readonly settled: Promise<unknown> }>;

function contestants({ server, store, entries }: Scene): Contestant[] {
  const client = server.client();
  const invalidator = createInvalidator({ store });
  const oneScript = `
    local members = redis.call('SMEMBERS', KEYS[1])
    for from = 1, #members, 1000 do
      redis.call('UNLINK', unpack(members, from, math.min(from + 999, #members)))
    end
    redis.call('UNLINK', KEYS[1])`;
  const attacks: Readonly<Record<string, Attack>> = {
    ours: async (id) => {
      const reply = await invalidator.invalidate({ documents: [{ id }], scopes: [] });
      if (reply.kind !== "applied") throw new Error("Valkey fell back in a bench.");
      return { settled: reply.settled };
    },
    plain: (id) => plainInvalidate(client, [id]).then(done),
    "one script": (id) => client.eval(oneScript, 1, `doc_deps:${id}`).then(done),
  };
  return Object.entries(attacks).map(([name, attack]) => ({
    name,
    run: async () => {
      await server.empty();
      const snapshot = await openSnapshot(store);
      const shelf = { admin: server.admin, snapshot, responseBytes: 200 };
      await fillLargeSet({ ...shelf, name: "hot" }, entries);
      await fillShelf({ ...shelf, name: "small", documents: small, fanOut: 10 });
      const { result, pings } = await whilePinging(server.port, () => strike(attack));
      const left = await countKeys(server.admin, "cache:v[0-9]*");
      check(left === 0, `${name} left ${left} entries`);
      return { ...result, worstPing: pings.worstMs, p999Ping: pings.p999Ms };
    },
  }));
}

const done = (): { settled: Promise<void> } => ({ settled: Promise.resolve() });

/** The large document, and right behind it small ones, one after the other as a partition has them. */
async function strike(attack: Attack): Promise<Sample> {
  await delay(20);
  const began = performance.now();
  const { settled } = await attack(hot);
  const barrierMs = performance.now() - began;
  const all = settled.then(() => performance.now() - began);
  const waits: number[] = [barrierMs];
  for (let number = 0; number < small; number += 1) {
    const asked = performance.now();
    await (await attack(shelfDocument("small", number))).settled;
    waits.push(performance.now() - asked);
  }
  return { barrierMs, deletedMs: await all, smallWorst: Math.max(...waits.slice(1)), smallP50: percentile(waits, 0.5) };
}

async function checkHot(server: Server, store: CacheStore): Promise<void> {
  const snapshot: Snapshot = await openSnapshot(store);
  const entries = Array.from({ length: 1_000 }, (_, at) => ({ query: `q ${at}`, sources: ["hot"] }));
  await commitEntries(store, { snapshot, entries, responseBytes: 50 });
  const reply = await store.invalidate({ bucket: 0, documents: [{ id: "hot" }], scopes: [] });
  check(reply.kind === "applied" && reply.drains.length === 1, "a large set was not taken away");
  for (const query of ["q 0", "q 500", "q 999"]) {
    check(!(await isServed(store, snapshot, query)), "an entry is served after the barrier, before its deletion");
  }
  const fresh = await openSnapshot(store);
  await commitEntries(store, { snapshot: fresh, entries: entries.slice(0, 1), responseBytes: 50 });
  if (reply.kind === "applied") await createInvalidator({ store }).finish(reply.drains);
  check(await isServed(store, fresh, "q 0"), "an entry written after the barrier was deleted with the old ones");
  check((await countKeys(server.admin, "cache:v[0-9]*")) === 1, "old entries are left");
}

/** How much of the worst PING is the machine's own doing. */
async function idleTable(lab: Lab, server: Server): Promise<Table[]> {
  const { pings } = await whilePinging(server.port, () => delay(lab.pick(2_000, 20)));
  return [
    {
      title: "The same PING while nothing happens",
      columns: ["", "p99", "p99.9", "worst"],
      rows: [["idle server", `${amount(pings.p99Ms)} ms`, `${amount(pings.p999Ms)} ms`, `${amount(pings.worstMs)} ms`]],
    },
  ];
}

function rowOf(cell: string, name: string, results: Results): string[] {
  return [
    cell,
    spread(results.of(name, "barrierMs"), " ms"),
    spread(results.of(name, "deletedMs"), " ms"),
    spread(results.of(name, "p999Ping"), " ms"),
    spread(results.of(name, "worstPing"), " ms"),
    spread(results.of(name, "smallP50"), " ms"),
    spread(results.of(name, "smallWorst"), " ms"),
  ];
}

function tableOf(rows: readonly (readonly string[])[]): Table {
  return {
    title: "By contestant and number of entries",
    columns: [
      "",
      "unservable after",
      "all deleted after",
      "PING of another client, p99.9",
      "worst",
      "small documents behind it, p50",
      "worst",
    ],
    rows,
    notes: [
      "Entries of 200 bytes. Behind the large document come 200 small ones with 10 entries each, one after the other.",
      "For `plain` and `one script` nothing tells a reader that an entry is dead: it is unservable when it is deleted.",
    ],
  };
}
