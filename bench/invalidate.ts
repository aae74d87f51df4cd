import { type CacheStore, createInvalidator, type Snapshot } from "@unstale/cache-core";
import { type Bench, check, type Lab } from "./bench.ts";
import type { Redis } from "./client.ts";
import { commitEntries, fillShelf, isServed, openSnapshot, shelfDocument, shelfKey } from "./entries.ts";
import { chunksOf, timed } from "./load.ts";
import { plainInvalidate, plainInvalidateBatch, unlink } from "./plain.ts";
import { amount, share, spread, type Table } from "./report.ts";
import { type Contestant, interleave, type Results } from "./rounds.ts";
import { countKeys, type Server } from "./server.ts";

const batches = [1, 10, 100, 1_000];
const name = "doc";

export const invalidate: Bench = {
  name: "invalidate",
  title: "Invalidation into Valkey",
  goals: ["≥ 70 % of raw UNLINK at fan-out ≥ 10", "≥ 20 times plain one by one", "server µs per event stated"],
  run: async (lab) => {
    const server = await lab.valkey();
    const store = server.store();
    await checkInvalidation(server, store);
    const rows: string[][] = [];
    for (const fanOut of lab.pick([0, 1, 10, 100], [0, 2])) {
      for (const batch of lab.pick(batches, [3])) {
        lab.say(`fan-out ${fanOut}, batches of ${batch}`);
        rows.push(await measure(lab, { server, store, fanOut, batch }));
      }
    }
    return [tableOf(rows)];
  },
};

interface Cell {
  readonly server: Server;
  readonly store: CacheStore;
  readonly fanOut: number;
  readonly batch: number;
}

async function measure(lab: Lab, cell: Cell): Promise<string[]> {
  const { server, store, fanOut, batch } = cell;
  const most = fanOut === 100 ? 500 : fanOut === 10 ? 2_000 : 5_000;
  const documents = lab.pick(batch === 1 ? Math.min(most, 500) : most, 9);
  const client = server.client();
  const ids = Array.from({ length: documents }, (_, number) => shelfDocument(name, number));
  const contestants: Contestant[] = [];
  const add = (contestant: string, few: number, work: (snapshot: Snapshot) => Promise<unknown>): void => {
    const run = async () => {
      await server.empty();
      const snapshot = await openSnapshot(store);
      await fillShelf({ admin: server.admin, snapshot, name, documents: few, fanOut, responseBytes: 1_000 });
      const sample = await timed({ admin: server.admin, count: few, work: () => work(snapshot) });
      await checkEmpty(server, contestant);
      return sample;
    };
    contestants.push({ name: contestant, run });
  };
  add("ours", documents, () => ours(store, ids, batch));
  add("raw UNLINK", documents, (snapshot) => raw(client, { snapshot, documents, fanOut, batch }));
  add("plain pipelined", documents, async () => {
    for (const chunk of chunksOf(ids, batch)) await plainInvalidateBatch(client, chunk);
  });
  const few = Math.min(documents, lab.pick(300, 3));
  add("plain", few, () => plainInvalidate(client, ids.slice(0, few)));
  const results = await interleave(lab.pick(3, 1), contestants);
  client.disconnect();
  return rowOf(cell, results);
}

/** As the worker does it: one call at a time for a partition, deletions may still run while the next call is under way. */
async function ours(store: CacheStore, ids: readonly string[], batch: number): Promise<void> {
  const invalidator = createInvalidator({ store });
  const settled: Promise<unknown>[] = [];
  let previous = 0;
  for (const chunk of chunksOf(ids, batch)) {
    const position = { topic: "bench", partition: 0, previous, next: previous + chunk.length };
    const reply = await invalidator.invalidate({ documents: chunk.map((id) => ({ id })), scopes: [], position });
    if (reply.kind !== "applied") throw new Error(`Valkey fell back to ${reply.applied} in a bench.`);
    settled.push(reply.settled);
    previous += chunk.length;
    // As many unsettled slices as the worker allows.
    if (settled.length > 16) await settled.shift();
  }
  await Promise.all(settled);
}

interface Raw {
  readonly snapshot: Snapshot;
  readonly documents: number;
  readonly fanOut: number;
  readonly batch: number;
}

async function raw(client: Redis, { snapshot, documents, fanOut, batch }: Raw): Promise<void> {
  for (let first = 0; first < documents; first += batch) {
    const keys: string[] = [];
    for (let number = first; number < Math.min(documents, first + batch); number += 1) {
      keys.push(`doc_deps:${shelfDocument(name, number)}`);
      for (let entry = 1; entry <= fanOut; entry += 1) keys.push(shelfKey({ snapshot }, number, entry));
    }
    await unlink(client, keys);
  }
}

async function checkEmpty({ admin }: Server, contestant: string): Promise<void> {
  const left = (await countKeys(admin, "cache:v[0-9]*")) + (await countKeys(admin, "doc_deps:*"));
  check(left === 0, `${contestant} left ${left} keys`);
}

async function checkInvalidation(server: Server, store: CacheStore): Promise<void> {
  const snapshot = await openSnapshot(store);
  const entries = Array.from({ length: 300 }, (_, at) => ({
    query: `q ${at}`,
    sources: [`doc:${at % 20}`, "doc:all"],
  }));
  await commitEntries(store, { snapshot, entries, responseBytes: 100 });
  check(await isServed(store, snapshot, "q 7"), "a fresh entry is not served");
  await ours(store, ["doc:7"], 1);
  check(!(await isServed(store, snapshot, "q 7")), "an entry is served after its document changed");
  check(await isServed(store, snapshot, "q 8"), "an entry is gone though none of its documents changed");
  await ours(store, ["doc:all", "doc:8"], 2);
  for (const { query } of entries) check(!(await isServed(store, snapshot, query)), `${query} is served`);
  check((await countKeys(server.admin, "cache:v[0-9]*")) === 0, "entries are left");
  const late = { bucket: 0, query: "late", response: "", sources: ["doc:7"], ttlMs: 1_000, lease: snapshot };
  check((await store.commit(late)).kind === "refused", "a late write was accepted");
}

function rowOf({ fanOut, batch }: Cell, results: Results): string[] {
  return [
    `${fanOut} / ${batch}`,
    spread(results.of("ours")),
    amount(results.of("plain").median),
    amount(results.of("plain pipelined").median),
    amount(results.of("raw UNLINK").median),
    share(results.ratio("ours", "raw UNLINK")),
    spread(results.ratio("ours", "plain")),
    amount(results.of("ours", "serverMicros").median),
    amount(results.of("raw UNLINK", "serverMicros").median),
    amount(results.of("ours", "clientMicros").median),
  ];
}

function tableOf(rows: readonly (readonly string[])[]): Table {
  return {
    title: "Events per second, by fan-out and batch",
    columns: [
      "fan-out / batch",
      "ours",
      "plain",
      "pipelined",
      "raw UNLINK",
      "ours : raw",
      "ours : plain",
      "server µs: ours",
      "raw",
      "client µs: ours",
    ],
    rows,
    notes: [
      "An event is one changed document; its fan-out is the number of entries built from it, 1 KB each, and all of them are gone at the end.",
      "`plain` takes one document after the other (SMEMBERS, DEL, DEL), whatever the batch; `pipelined` takes a batch in two round trips. Neither fences anything, counts progress, or bounds a step.",
      "`raw UNLINK` is told the keys, and deletes them in commands of 1,000. At fan-out 0 there is nothing for it to delete.",
      "Ours sends 10 to 500 documents in a call, as many as will probably have 800 entries in all; what goes beyond 1,000 is taken away at once and deleted in steps.",
    ],
  };
}
