// What each released version left in Valkey, met by the readers, writers and workers of today: producers and workers of two
// versions run side by side during every rolling update.
import { afterEach, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { type CacheStore, createInvalidator, SmartCache } from "@unstale/cache-core";
import { Redis } from "iovalkey";
import { endAll, startUnstale } from "../integration/worker-process.ts";
import { openKafkaScene } from "../support/kafka-scene.ts";
import { describeWith, ownValkey } from "../support/services.ts";
import { waitFor } from "../support/wait-for.ts";
import { restore, storeAt, type WireSnapshot, wireFormats, wireSnapshot } from "../support/wire-snapshot.ts";

jest.setTimeout(90_000);

const formats = await wireFormats();
const bucket = 0;

describeWith(["valkey"], "what an earlier version left", () => {
  describe.each(formats)("in format %s", (format) => {
    let snapshot: WireSnapshot;
    let url: string;
    let valkey: Redis;
    let store: CacheStore;
    let cache: SmartCache;

    beforeAll(async () => {
      snapshot = await wireSnapshot(format);
      ({ url } = await ownValkey());
    });

    beforeEach(async () => {
      valkey = new Redis(url);
      await restore(valkey, snapshot);
      store = storeAt(url, snapshot);
      cache = new SmartCache({ store });
    });

    afterEach(async () => {
      await endAll();
      await cache.close();
      await store.close();
      await valkey.quit();
    });

    const hits = async (): Promise<boolean[]> =>
      Promise.all(snapshot.answers.map(async ({ query, namespace }) => (await cache.get(query, { namespace })).hit));

    test("is read", async () => {
      for (const { query, response, sources, namespace } of snapshot.answers) {
        const result = await cache.get(query, { namespace });
        expect(result).toMatchObject({ hit: true, response });
        expect(result.hit && [...result.sources].sort()).toEqual([...sources].sort());
      }
    });

    test("is read with a demand: what was applied and confirmed then counts", async () => {
      const { applied, answers } = snapshot;
      const [{ query, response } = { query: "", response: "" }] = answers;
      const after = { topic: applied.topic, partition: applied.partition, offset: applied.offset - 1 };
      expect(await cache.get(query, { after })).toMatchObject({ hit: true, response });
      expect(await cache.get(query, { after: { ...after, offset: applied.offset } })).toMatchObject({ hit: false });
      expect(await cache.get(query, { maxStaleness: "5m" })).toMatchObject({ hit: true, response });
    });

    test("takes writes with its leases, and refuses the one that is older than a change", async () => {
      const { query, source, staleLease, freshLease } = snapshot.lease;
      const write = (lease: string) => cache.set(query, "3 left", { sources: [source], lease });
      expect(await write(staleLease)).toMatchObject({ written: false, reason: "changed" });
      expect(await write(freshLease)).toEqual({ written: true, fenced: true });
      expect(await cache.get(query)).toMatchObject({ hit: true, response: "3 left" });
    });

    test("takes no write from a document version that an event went past", async () => {
      const { id, version } = snapshot.versioned;
      const write = async (known: number) => {
        const lease = await cache.lease("Which policy?");
        return cache.set("Which policy?", "a", { sources: [id], lease, sourceVersions: { [id]: known } });
      };
      expect(await write(version - 1)).toMatchObject({ written: false, reason: "changed", document: id });
      expect(await write(version)).toEqual({ written: true, fenced: true });
    });

    test("is invalidated by source, to the last key", async () => {
      for (const { query, sources, namespace } of snapshot.answers) {
        await cache.invalidateSource(sources[0] ?? "");
        expect(await cache.get(query, { namespace })).toMatchObject({ hit: false });
      }
      await cache.invalidateSource(snapshot.drained.document);
      expect(await entriesOf(valkey)).toEqual([]);
    });

    test("is invalidated by namespace, and nothing beside it", async () => {
      await cache.invalidateNamespace("docs");
      expect(await hits()).toEqual(snapshot.answers.map(({ namespace }) => namespace === undefined));
      expect(await valkey.keys("cache:docs:*")).toEqual([]);
    });

    test("is invalidated as a whole", async () => {
      await cache.invalidateAll();
      expect(await hits()).toEqual(snapshot.answers.map(() => false));
      expect(await entriesOf(valkey)).toEqual([]);
    });

    test("tells how far its worker got, and goes on from there", async () => {
      const { topic, partition, offset } = snapshot.applied;
      const beat = await store.heartbeat({ bucket, partitions: [{ topic, partition }] });
      expect(beat).toMatchObject({ kind: "alive", applied: [offset], born: false });

      const slice = { bucket, documents: [{ id: "article:42" }], scopes: [] };
      const position = { topic, partition, previous: offset + 5, next: offset + 6 };
      expect(await store.invalidate({ ...slice, position })).toEqual({ kind: "rollback", applied: offset });
      const next = { ...position, previous: offset, next: offset + 1 };
      expect(await store.invalidate({ ...slice, position: next })).toMatchObject({ kind: "applied", barrier: false });
      const attached = await store.attach({ bucket, topic, partition, offset: offset + 1 });
      expect(attached).toEqual({ kind: "attached", previous: offset + 1, barrier: false });
    });

    test("has drains that are finished: by those that find them, and by the next change of the document", async () => {
      const { document, queries } = snapshot.drained;
      const invalidator = createInvalidator({ store });
      const beat = await store.heartbeat({ bucket, partitions: [] });
      if (beat.kind !== "alive") throw new Error(beat.kind);
      expect(beat.drains.map((drain) => drain.document)).toEqual([document]);
      expect(await invalidator.finish(beat.drains)).toBe(queries.length);
      expect(await store.heartbeat({ bucket, partitions: [] })).toMatchObject({ drains: [] });
      expect(await valkey.keys("unstale:drain*")).toEqual([]);

      await restore(valkey, snapshot);
      const reply = await invalidator.invalidate({ documents: [{ id: document }], scopes: [] });
      if (reply.kind !== "applied") throw new Error(reply.kind);
      expect(await reply.settled).toEqual({ deleted: queries.length });
    });

    test("holds fill locks, which its programs renew and give back", async () => {
      const theirs = { bucket, ...snapshot.lock, ttlMs: 60_000 };
      const ours = { ...theirs, token: "ours" };
      expect(await store.acquireFill(ours)).toEqual({ kind: "taken" });
      expect(await store.renewFill(theirs)).toEqual({ kind: "held" });
      await store.releaseFill(theirs);
      expect(await store.acquireFill(ours)).toEqual({ kind: "held" });
    });

    test("has a deployment record that programs of today agree with, or not", async () => {
      const stranger = new SmartCache({ store, entryPrefix: "answers:" });
      await expect(stranger.get("q")).rejects.toMatchObject({ code: "UNSTALE_CONFIG_MISMATCH" });
      await stranger.close();
      const { value } = snapshot.keys["unstale:config"] ?? {};
      expect(await cache.get("q")).toMatchObject({ hit: false });
      expect(await valkey.hgetall("unstale:config")).toEqual(value);
    });
  });
});

describeWith(["kafka", "valkey"], "the worker of today, on what an earlier version left", () => {
  test.each(formats)("in format %s, applies events and finishes what was left", async (format) => {
    const [snapshot, kafka, { url }] = await Promise.all([
      wireSnapshot(format),
      openKafkaScene({ partitions: 1 }),
      ownValkey(),
    ]);
    const valkey = new Redis(url);
    await restore(valkey, snapshot);
    const before = (await entriesOf(valkey)).length;
    const worker = startUnstale(["run"], {
      UNSTALE_KAFKA_BROKERS: kafka.brokers.join(","),
      UNSTALE_KAFKA_TOPICS: kafka.topic,
      UNSTALE_KAFKA_GROUP_ID: kafka.groupId,
      UNSTALE_VALKEY_URL: url,
      UNSTALE_HTTP_PORT: "0",
    });
    await worker.ready();
    const [{ sources } = { sources: [] }] = snapshot.answers;
    await kafka.send([{ key: null, value: JSON.stringify({ id: sources[0] }) }]);
    await waitFor(async () => (await valkey.exists(`doc_deps:${sources[0]}`)) === 0);
    // Nobody waits for what another version's worker left; it is found after some seconds.
    await waitFor(async () => (await valkey.exists("unstale:draining")) === 0, 30_000);
    expect(await entriesOf(valkey)).toHaveLength(before - 1 - snapshot.drained.queries.length);
    worker.kill("SIGTERM");
    expect(await worker.ended).toMatchObject({ code: 0 });
    await valkey.quit();
    await kafka.close();
  });
});

async function entriesOf(valkey: Redis): Promise<string[]> {
  const hashes = await Promise.all(
    (await valkey.keys("cache:*")).map(async (key) => ((await valkey.type(key)) === "hash" ? [key] : [])),
  );
  return hashes.flat();
}
