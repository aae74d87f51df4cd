import { setTimeout as delay } from "node:timers/promises";
import { type CacheStore, createInvalidator } from "@unstale/cache-core";
import { type Bench, check, type Lab } from "./bench.ts";
import { commitEntries, fillShelf, isServed, openSnapshot } from "./entries.ts";
import { whilePinging } from "./ping.ts";
import { amount, type Table } from "./report.ts";
import { countKeys, type Server } from "./server.ts";

export const wipe: Bench = {
  name: "wipe",
  title: "A namespace, or everything, with a million keys",
  goals: ["barrier O(1)", "reclaim without a worst PING above 10 ms"],
  run: async (lab) => {
    const server = await lab.valkey();
    const store = server.store();
    await checkWipe(store);
    const rows: string[][] = [];
    for (const turn of turns(server, store)) {
      lab.say(turn.name);
      rows.push(await measure(lab, { server, store, turn }));
    }
    return [tableOf(rows, lab.pick(1_000_000, 1_000))];
  },
};

interface Turn {
  readonly name: string;
  /** Keys that must be left at the end. */
  readonly leaves: "nothing" | "the rest";
  readonly attack: () => Promise<{ readonly settled: Promise<unknown> }>;
}

function turns(server: Server, store: CacheStore): Turn[] {
  const invalidator = createInvalidator({ store });
  const invalidate = async (namespace?: string): Promise<{ settled: Promise<unknown> }> => {
    const reply = await invalidator.invalidate({ documents: [], scopes: [{ namespace }] });
    if (reply.kind !== "applied") throw new Error("Valkey fell back in a bench.");
    return reply;
  };
  const scan = async (pattern: string): Promise<{ settled: Promise<unknown> }> => {
    const client = server.client();
    for await (const keys of client.scanStream({ match: pattern, count: 1_000 }))
      if (keys.length > 0) await client.del(...keys);
    client.disconnect();
    return { settled: Promise.resolve() };
  };
  return [
    { name: "everything: ours", leaves: "nothing", attack: () => invalidate() },
    { name: "everything: SCAN + DEL", leaves: "nothing", attack: () => scan("cache:*") },
    { name: "a tenth, by namespace: ours", leaves: "the rest", attack: () => invalidate("docs") },
    { name: "a tenth, by namespace: SCAN + DEL", leaves: "the rest", attack: () => scan("cache:docs:*") },
  ];
}

interface Scene {
  readonly server: Server;
  readonly store: CacheStore;
  readonly turn: Turn;
}

async function measure(lab: Lab, { server, store, turn }: Scene): Promise<string[]> {
  const { admin } = server;
  await server.empty();
  const documents = lab.pick(100_000, 100);
  const shelf = { admin, fanOut: 1, responseBytes: 100 };
  const snapshot = await openSnapshot(store);
  await fillShelf({ ...shelf, snapshot, name: "doc", documents: documents * 9 });
  const inside = await openSnapshot(store, "docs");
  await fillShelf({ ...shelf, snapshot: inside, name: "page", documents, namespace: "docs" });
  const { result, pings } = await whilePinging(server.port, async () => {
    await delay(20);
    const began = performance.now();
    const { settled } = await turn.attack();
    const barrierMs = performance.now() - began;
    await settled;
    return { barrierMs, allMs: performance.now() - began };
  });
  const left = (await countKeys(admin, "cache:v[0-9]*")) + (await countKeys(admin, "cache:docs:*"));
  const expected = turn.leaves === "nothing" ? 0 : documents * 9;
  check(left === expected, `${turn.name} left ${left} entries instead of ${expected}`);
  const ms = (value: number): string => `${amount(value)} ms`;
  return [turn.name, ms(result.barrierMs), ms(result.allMs), ms(pings.worstMs), ms(pings.p99Ms)];
}

async function checkWipe(store: CacheStore): Promise<void> {
  const snapshot = await openSnapshot(store);
  await commitEntries(store, { snapshot, entries: [{ query: "outside", sources: [] }], responseBytes: 10 });
  await store.invalidate({ bucket: 0, documents: [], scopes: [{ namespace: "docs" }] });
  check(await isServed(store, snapshot, "outside"), "a namespace was invalidated, and an entry outside it is gone");
  await store.invalidate({ bucket: 0, documents: [], scopes: [{}] });
  check(!(await isServed(store, snapshot, "outside")), "everything was invalidated, and an entry is served");
}

function tableOf(rows: readonly (readonly string[])[], keys: number): Table {
  return {
    title: `${amount(keys)} entries`,
    columns: ["", "unservable after", "memory reclaimed after", "worst PING of another client", "p99"],
    rows,
    notes: [
      "As many dependency sets lie beside the entries. SCAN + DEL leaves them there; ours expire with their entries.",
    ],
  };
}
