import { type Bench, check, type Lab } from "./bench.ts";
import { commitEntries, isServed, openSnapshot } from "./entries.ts";
import { inParallel } from "./load.ts";
import { plainWrite } from "./plain.ts";
import { amount, type Table } from "./report.ts";
import { memoryOf, type Server } from "./server.ts";

const documents = 20_000;

export const memory: Bench = {
  name: "memory",
  title: "Memory",
  goals: ["per entry and per dependency edge ≤ plain + 10 %"],
  run: async (lab) => {
    const server = await lab.valkey();
    const entries = lab.pick(100_000, 200);
    const rows: string[][] = [];
    const found: Record<string, number> = {};
    for (const sources of lab.pick([1, 5], [1, 5])) {
      lab.say(`${sources} sources`);
      const plain = await bytesPerEntry(lab, { server, entries, sources, ours: false });
      const ours = await bytesPerEntry(lab, { server, entries, sources, ours: true });
      found[`plain ${sources}`] = plain;
      found[`ours ${sources}`] = ours;
      rows.push([`entry with ${sources} source${sources === 1 ? "" : "s"}`, ...pair(ours, plain)]);
    }
    const edge = (who: string): number => ((found[`${who} 5`] ?? 0) - (found[`${who} 1`] ?? 0)) / 4;
    rows.push(["one more dependency", ...pair(edge("ours"), edge("plain"))]);
    rows.push([
      "a changed document (fence)",
      `${amount(await bytesPerFence(server, lab.pick(100_000, 200)))} B`,
      "–",
      "–",
    ]);
    return [tableOf(rows, entries)];
  },
};

const pair = (ours: number, plain: number): string[] => [
  `${amount(ours)} B`,
  `${amount(plain)} B`,
  `${((ours / plain - 1) * 100).toFixed(1)} %`,
];

interface Scene {
  readonly server: Server;
  readonly entries: number;
  readonly sources: number;
  readonly ours: boolean;
}

async function bytesPerEntry(lab: Lab, { server, entries, sources, ours }: Scene): Promise<number> {
  await server.empty();
  const { admin } = server;
  const store = server.store();
  const snapshot = await openSnapshot(store);
  const before = await memoryOf(admin);
  const all = Array.from({ length: entries }, (_, at) => ({
    query: `a question of some length, number ${at}`,
    sources: Array.from({ length: sources }, (_, step) => `article:${(at + step * 4_001) % documents}`),
  }));
  if (ours) {
    await commitEntries(store, { snapshot, entries: all, responseBytes: 1_000 });
    check(await isServed(store, snapshot, all[0]?.query ?? ""), "what was committed is not served");
  } else {
    const client = server.client();
    const response = "r".repeat(1_000);
    // Keys of the same length as ours.
    const version = snapshot.versions.join(".");
    const keyOf = (at: number): string => `cache:v${version}:${at.toString(16).padStart(16, "0")}`;
    await inParallel([...all.keys()], 200, (at) =>
      plainWrite(client, { key: keyOf(at), response, ...(all[at] ?? { query: "", sources: [] }) }),
    );
    client.disconnect();
  }
  const after = await memoryOf(admin);
  check((await admin.dbsize()) >= entries, "entries are missing");
  await store.close();
  lab.say(`${sources} sources: ${amount((after - before) / entries)} B`);
  return (after - before) / entries;
}

async function bytesPerFence(server: Server, fences: number): Promise<number> {
  await server.empty();
  const store = server.store();
  await openSnapshot(store);
  const before = await memoryOf(server.admin);
  for (let from = 0; from < fences; from += 500) {
    const ids = Array.from({ length: Math.min(500, fences - from) }, (_, at) => ({ id: `article:${1e9 + from + at}` }));
    await store.invalidate({ bucket: 0, documents: ids, scopes: [] });
  }
  const after = await memoryOf(server.admin);
  await store.close();
  return (after - before) / fences;
}

function tableOf(rows: readonly (readonly string[])[], entries: number): Table {
  return {
    title: "Bytes of the server's memory",
    columns: ["", "ours", "plain", "ours more by"],
    rows,
    notes: [
      `used_memory before and after ${amount(entries)} entries of 1 KB over ${amount(documents)} documents, keys and TTLs included; encodings as in config/valkey.conf.`,
      "A fence is kept for each changed document, whether anything depends on it or not, for the longest TTL; 1,000,000 at most.",
    ],
  };
}
