import { type CacheStore, createInvalidator, createKeys, createValkeyStore, defaultLayout } from "@unstale/cache-core";
import { startValkeyCluster } from "../dev/services/index.ts";
import { type Bench, check, type Lab } from "./bench.ts";
import { Redis } from "./client.ts";
import { chunksOf, closedLoop, timed } from "./load.ts";
import { amount, spread, type Table } from "./report.ts";
import { type Contestant, interleave, type Results } from "./rounds.ts";
import { serverConfig } from "./server.ts";

const layouts = [1, 4, 16, 64];
const fanOut = 10;

/** Entries dealt into buckets, on servers that hold nothing else. */
interface Place {
  readonly name: string;
  readonly buckets: number;
  readonly store: CacheStore;
  readonly admins: readonly Redis[];
}

export const cluster: Bench = {
  name: "cluster",
  title: "Valkey Cluster: what a bucket costs",
  goals: ["an event costs one call for each bucket, whatever the number of entries", "a read costs the same in any"],
  run: async (lab) => {
    const places = await openPlaces(lab);
    for (const place of places) await checkInvalidation(place);
    const tables: Table[] = [];
    for (const batch of lab.pick([1, 100], [3])) {
      lab.say(`invalidations in batches of ${batch}`);
      tables.push(invalidationTable(batch, await interleave(lab.pick(3, 1), invalidations(lab, places, batch))));
    }
    lab.say("reads");
    return [...tables, readTable(await interleave(lab.pick(3, 1), reads(lab, places)))];
  },
};

async function openPlaces(lab: Lab): Promise<Place[]> {
  const servers = await startValkeyCluster({ replicas: 0, config: serverConfig });
  lab.onEnd(() => servers.stop());
  const alone = await lab.valkey();
  const admins = servers.nodes.map(({ url }) => new Redis(url));
  lab.onEnd(() => {
    for (const admin of admins) admin.disconnect();
  });
  return layouts.map((buckets) => {
    const isAlone = buckets === 1;
    const valkey = isAlone ? alone.url : servers.url;
    const policy = { foreignWriters: isAlone };
    const store = createValkeyStore({ valkey, layout: { buckets }, policy, timeoutMs: 60_000 });
    lab.onEnd(() => store.close());
    return { name: String(buckets), buckets, store, admins: isAlone ? [alone.admin] : admins };
  });
}

const questionsOf = (documents: number): string[] =>
  Array.from({ length: documents * fanOut }, (_, at) => `question ${at}`);
const documentOf = (question: number): string => `doc:${Math.floor(question / fanOut)}`;

/** Empties the servers and writes the answers as producers do. Returns how each is to be read. */
async function fill({ buckets, store, admins }: Place, documents: number) {
  await Promise.all(admins.map((admin) => admin.flushall("SYNC")));
  const keys = createKeys({ ...defaultLayout, buckets });
  const leases = await Promise.all(
    Array.from({ length: buckets }, async (_, bucket) => {
      const reply = await store.open({ bucket });
      if (reply.kind !== "open") throw new Error(`The store does not open: ${reply.kind}.`);
      return reply.snapshot;
    }),
  );
  const entries = questionsOf(documents).map((query, at) => {
    const bucket = keys.bucketOf({}, query);
    const [lease] = leases.slice(bucket);
    if (!lease) throw new Error(`There is no bucket ${bucket}.`);
    return { bucket, query, response: "r".repeat(1_000), sources: [documentOf(at)], ttlMs: 3_600_000, lease };
  });
  for (const chunk of chunksOf(entries, 500)) {
    const replies = await Promise.all(chunk.map((entry) => store.commit(entry)));
    check(
      replies.every(({ kind }) => kind === "written"),
      "an entry was refused",
    );
  }
  return entries.map(({ bucket, query, lease }) => ({ bucket, query, versions: lease.versions }));
}

async function invalidate({ store, buckets }: Place, ids: readonly string[], batch: number): Promise<number> {
  const invalidator = createInvalidator({ store, buckets });
  let deleted = 0;
  for (const chunk of chunksOf(ids, batch)) {
    const reply = await invalidator.invalidate({ documents: chunk.map((id) => ({ id })), scopes: [] });
    if (reply.kind === "applied") deleted += reply.deleted + (await reply.settled).deleted;
  }
  return deleted;
}

async function checkInvalidation(place: Place): Promise<void> {
  const entries = await fill(place, 20);
  check((await invalidate(place, ["doc:7"], 1)) === fanOut, "not all entries of a document were deleted");
  const replies = await Promise.all(entries.map((entry) => place.store.read(entry)));
  const wrong = replies.filter(({ kind }, at) => (kind === "hit") === (documentOf(at) === "doc:7"));
  check(wrong.length === 0, `${wrong.length} entries are served that should not be, or are not that should`);
}

function invalidations(lab: Lab, places: readonly Place[], batch: number): Contestant[] {
  const documents = lab.pick(batch === 1 ? 300 : 1_000, 6);
  const ids = Array.from({ length: documents }, (_, number) => `doc:${number}`);
  return places.map((place) => ({
    name: place.name,
    run: async () => {
      await fill(place, documents);
      let deleted = 0;
      const work = async (): Promise<void> => {
        deleted = await invalidate(place, ids, batch);
      };
      const sample = await timed({ admin: place.admins, count: documents, work });
      check(deleted === documents * fanOut, `${deleted} entries were deleted of ${documents * fanOut}`);
      return sample;
    },
  }));
}

function reads(lab: Lab, places: readonly Place[]): Contestant[] {
  return places.map((place) => ({
    name: place.name,
    run: async () => {
      const entries = await fill(place, lab.pick(500, 6));
      return closedLoop({
        admin: place.admins,
        callers: 64,
        ms: lab.pick(2_000, 50),
        operation: async (index) => {
          const entry = entries[index % entries.length];
          const reply = entry && (await place.store.read(entry));
          check(reply?.kind === "hit", "an entry is not served");
        },
      });
    },
  }));
}

function rowsOf(results: Results): string[][] {
  return layouts
    .map(String)
    .map((name) => [
      name,
      spread(results.of(name)),
      spread(results.ratio(name, "1")),
      amount(results.of(name, "serverMicros").median),
      amount(results.of(name, "clientMicros").median),
    ]);
}

function invalidationTable(batch: number, results: Results): Table {
  return {
    title: `Events per second, in batches of ${batch}`,
    columns: ["buckets", "ours", ": 1 bucket", "server µs", "client µs"],
    rows: rowsOf(results),
    notes: [
      `An event is one changed document with ${fanOut} entries of 1 KB. One bucket is a Valkey that stands alone; the others are on three primaries.`,
      "A batch is one call in each bucket, all of them under way together. Server µs are those of all servers together, per event.",
    ],
  };
}

function readTable(results: Results): Table {
  return {
    title: "Verified reads per second, 64 callers",
    columns: ["buckets", "ours", ": 1 bucket", "server µs", "client µs"],
    rows: rowsOf(results),
    notes: ["A read goes to one bucket, however many there are."],
  };
}
