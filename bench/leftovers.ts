// Not a measure of speed: what lies in Valkey when everything has expired, and what lies in a dependency set that lives.
import { type CacheStore, createKeys, defaultLayout, type Snapshot } from "@unstale/cache-core";
import { type Bench, check, type Lab } from "./bench.ts";
import type { Redis } from "./client.ts";
import { openSnapshot } from "./entries.ts";
import { chunksOf, inParallel } from "./load.ts";
import { until } from "./processes.ts";
import { amount, type Table } from "./report.ts";
import type { Server } from "./server.ts";

const sourcesEach = 5;
/** In the steady state two random members of a set are as many dead ones as come in when half of it is dead. */
const deadBound = 0.5;
/** What chance adds to a small set. */
const allowance = 0.1;

/** What a server notes down about slow commands would look like something left of them. */
const withoutNotes = ["slowlog-log-slower-than -1", "latency-tracking no"];

export const leftovers: Bench = {
  name: "leftovers",
  title: "What is left",
  goals: [
    "memory within 1 % of the start when all entries have expired",
    "at most half of a living dependency set is dead members",
  ],
  run: async (lab) => {
    const server = await lab.valkey(withoutNotes);
    // No other writers: with them the sets live as long as the longest TTL that those use.
    const store = server.store({ policy: { foreignWriters: false } });
    return [await expired(lab, server, store), await deadMembers(lab, server, store)];
  },
};

interface Fill {
  readonly store: CacheStore;
  readonly snapshot: Snapshot;
  readonly name: string;
  readonly entries: number;
  readonly documents: number;
  readonly ttlMs: number;
}

async function fill({ store, snapshot, name, entries, documents, ttlMs }: Fill): Promise<void> {
  await inParallel([...Array(entries).keys()], 500, async (at) => {
    const sources = Array.from({ length: sourcesEach }, (_, step) => `article:${(at * 7 + step * 4_001) % documents}`);
    const entry = { bucket: 0, query: `${name} ${at}`, response: "r".repeat(200), sources, ttlMs, lease: snapshot };
    const { kind } = await store.commit(entry);
    check(kind === "written", "a commit was refused");
  });
}

async function expired(lab: Lab, server: Server, store: CacheStore): Promise<Table> {
  const { admin } = server;
  const entries = lab.pick(1_000_000, 20_000);
  const documents = lab.pick(100_000, 2_000);
  const snapshot = await openSnapshot(store);
  const keysAtStart = await admin.dbsize();
  // Scripts are loaded and connections have grown before anything is compared.
  await fill({ store, snapshot, name: "warm", entries: 2_000, documents, ttlMs: 100 });
  await gone(admin, keysAtStart);
  const before = await memoryWithoutClients(admin);

  lab.say(`${amount(entries)} entries`);
  const ttlMs = lab.pick(30_000, 1_000);
  await fill({ store, snapshot, name: "question", entries, documents, ttlMs });
  const peak = await memoryWithoutClients(admin);
  const keysAtPeak = await admin.dbsize();
  lab.say("waiting for them to expire");
  await gone(admin, keysAtStart);
  const ratio = async (): Promise<number> => (await memoryWithoutClients(admin)) / before;
  // Tables of the server shrink a moment after the last key.
  await until(async () => (await ratio()) <= 1.01, "memory to be within 1 % of the start");
  const after = await ratio();
  return {
    title: `${amount(entries)} entries with ${sourcesEach} dependencies each, written and expired`,
    columns: ["", "keys", "memory"],
    rows: [
      ["before", String(keysAtStart), bytes(before)],
      ["when the last was written", amount(keysAtPeak), bytes(peak)],
      [
        "when all had expired",
        String(await admin.dbsize()),
        `${bytes(after * before)} (${((after - 1) * 100).toFixed(2)} %)`,
      ],
    ],
    notes: [
      `used_memory without what clients take; slow log and latency tracking are off. ${amount(documents)} documents; nothing was deleted by hand, by an event or by a scan: every key has a TTL but those that were there before.`,
    ],
  };
}

/** Valkey looks for expired keys ten times a second. */
async function gone(admin: Redis, keys: number): Promise<void> {
  await until(async () => (await admin.dbsize()) <= keys, "all entries and sets to expire", 600_000);
}

async function memoryWithoutClients(admin: Redis): Promise<number> {
  const text = await admin.info("memory");
  const field = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(text)?.[1]);
  return field("used_memory") - field("mem_clients_normal");
}

/**
 * New entries of one document come in, and for each of them the oldest one dies as if it had expired: no time plays a part,
 * so that a machine that is busy with other things does not show.
 */
async function deadMembers(lab: Lab, server: Server, store: CacheStore): Promise<Table> {
  const rows: string[][] = [];
  for (const living of lab.pick([500, 2_000, 10_000], [500])) {
    lab.say(`a set with ${living} living members`);
    const { worst, mean, recoveredAfter } = await deadShare(server, store, living);
    check(worst <= deadBound + allowance, `${(worst * 100).toFixed(0)} % of a set's members were dead`);
    const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
    rows.push([`${amount(living)} living members`, percent(mean), percent(worst), amount(recoveredAfter)]);
  }
  return {
    title: "Dead members of one dependency set that is written to all the time",
    columns: ["", "dead, mean", "dead, at worst", "writes until half, after all died at once"],
    rows,
    notes: ["Ten looks, after three to eight times as many writes as there are living members."],
  };
}

interface DeadShare {
  readonly worst: number;
  readonly mean: number;
  /** Writes until at most half of the members was dead, when all living ones had died at once. */
  readonly recoveredAfter: number;
}

async function deadShare({ admin, empty }: Server, store: CacheStore, living: number): Promise<DeadShare> {
  await empty();
  const snapshot = await openSnapshot(store);
  const keys = createKeys(defaultLayout);
  const queryOf = (number: number): string => `passing ${number}`;
  const keyOf = (number: number): string => keys.entry({ bucket: 0 }, queryOf(number), snapshot.versions);
  let written = 0;
  const write = async (count: number): Promise<void> => {
    const numbers = [...Array(count).keys()].map((at) => written + at);
    written += count;
    await inParallel(numbers, 50, async (number) => {
      const entry = { bucket: 0, query: queryOf(number), response: "r", sources: ["hot"], ttlMs: 3_600_000 };
      await store.commit({ ...entry, lease: snapshot });
      if (number >= living) await admin.unlink(keyOf(number - living));
    });
  };
  const share = async (): Promise<number> => {
    const { living: alive, dead } = await lookAt(admin, "doc_deps:hot");
    return dead / Math.max(1, alive + dead);
  };
  await write(3 * living);
  const shares: number[] = [];
  for (let look = 0; look < 10; look += 1) {
    await write(living / 2);
    shares.push(await share());
  }
  const last = [...Array(living).keys()].map((at) => keyOf(written - 1 - at));
  for (const some of chunksOf(last, 1_000)) await admin.unlink(...some);
  const before = written;
  const step = Math.max(1, living / 50);
  while ((await share()) > deadBound && written - before < 10 * living) await write(step);
  const mean = shares.reduce((sum, one) => sum + one, 0) / shares.length;
  return { worst: Math.max(...shares), mean, recoveredAfter: written - before };
}

const looking = `
local living, members = 0, redis.call('SMEMBERS', KEYS[1])
for _, member in ipairs(members) do living = living + redis.call('EXISTS', member) end
return { living, #members - living }`;

/** In one step, so that nothing dies while it is counted. */
async function lookAt(admin: Redis, set: string): Promise<{ living: number; dead: number }> {
  const reply: unknown = await admin.eval(looking, 1, set);
  const [living, dead] = Array.isArray(reply) ? reply.map(Number) : [];
  return { living: living ?? 0, dead: dead ?? 0 };
}

const bytes = (count: number): string => `${amount(count / 2 ** 20)} MB`;
