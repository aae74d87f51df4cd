// Random play on a cache store: moves as data, so that fast-check can shrink them, and a player that makes them. Whatever
// any client may do to the keys is a move as well.
import { type Drain, defaultLayout, type Moment, proposeDeployment, type Snapshot } from "@unstale/cache-core";
import fc from "fast-check";
import type { Scene } from "./store-scene.ts";

const documents = ["a", "b", "42"] as const;
const namespaces = [undefined, undefined, "docs", "docs:x"] as const;
const queries = ["q", "r"] as const;
const position = { topic: "t", partition: 0 };
const record = { ...proposeDeployment({ layout: defaultLayout, foreignWriters: true }), id: "the first" };

const oneOf = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const document = oneOf(documents);
const namespace = oneOf(namespaces);
const query = oneOf(queries);
/** Which of the leases, drains or keys seen so far, counted from the last. */
const nth = fc.nat({ max: 5 });
const seldom = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });

const rarely = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });

const foreignSources = ['["a"]', '["b","a"]', "[42]", "[]", "{}", '["a",null]', "nonsense"] as const;
const counterTexts = ["1", "7", "abc", "", "-1", "007", "9223372036854775807"] as const;

const moves = {
  open: fc.record({ namespace }),
  read: fc.record({ query, namespace }),
  readBlindly: fc.record({ query, namespace, lease: nth }),
  commit: fc.record({
    query,
    namespace,
    sources: fc.uniqueArray(document),
    lease: nth,
    isPlain: oneOf([false, false, false, true]),
    version: seldom(fc.nat({ max: 4 })),
    codec: seldom(fc.constant("json")),
  }),
  /** A lease taken just before. */
  fill: fc.record({ query, namespace, sources: fc.uniqueArray(document, { minLength: 1 }) }),
  invalidate: fc.record({
    documents: fc.uniqueArray(document),
    version: seldom(fc.nat({ max: 4 })),
    scopes: fc.array(fc.record({ namespace, offset: seldom(fc.nat({ max: 6 })) }), { maxLength: 2 }),
    position: rarely(fc.record({ previous: fc.nat({ max: 3 }), next: fc.nat({ max: 6 }) })),
    barrier: rarely(rarely(fc.constant(true))),
  }),
  drain: fc.record({ drain: nth, origin: oneOf([undefined, undefined, "here", "elsewhere"] as const) }),
  sweep: fc.record({ namespace }),
  /** A read that asks for a record, for confirmation, or for both. */
  demand: fc.record({
    query,
    namespace,
    offset: rarely(fc.nat({ max: 6 })),
    maxStalenessMs: rarely(oneOf([0, 1_000, 50_000])),
  }),
  heartbeat: fc.record({}),
  confirm: fc.record({ end: fc.nat({ max: 6 }), moment: nth }),
  attach: fc.record({ offset: fc.nat({ max: 6 }) }),
  fillLock: fc.record({
    query,
    token: oneOf(["x", "y"]),
    operation: oneOf(["acquireFill", "renewFill", "releaseFill"] as const),
  }),
  configure: fc.record({ group: seldom(oneOf(["one", "two"])) }),
  passTime: fc.record({ micros: oneOf([1, 1_000_000, 40_000_000, 400_000_000, -30_000_000]) }),
  promote: fc.record({}),
  remember: fc.record({}),
  failOver: fc.record({}),
  evict: fc.record({ key: fc.nat({ max: 30 }) }),
  flush: fc.record({}),
  mistype: fc.record({ key: fc.nat({ max: 30 }), kind: oneOf(["string", "hash", "set", "zset"] as const) }),
  forgetMember: fc.record({ member: oneOf([" format", " clock", " birth", " replid", " floor", "a"]) }),
  makeNewer: fc.record({}),
  makeRecordNewer: fc.record({}),
  setCounter: fc.record({ namespace, text: oneOf(counterTexts) }),
  writePlain: fc.record({ query, sources: fc.uniqueArray(document), prefix: oneOf([0, 1] as const) }),
  overwrite: fc.record({ query, namespace, sources: oneOf(foreignSources) }),
  dropField: fc.record({ query, namespace, field: oneOf(["lease", "response", "sources"]) }),
  listAgain: fc.record({ query, namespace, document, prefix: oneOf([0, 1] as const) }),
  dropSet: fc.record({ document, prefix: oneOf([0, 1] as const) }),
};

type Moves = { [Name in keyof typeof moves]: (typeof moves)[Name] extends fc.Arbitrary<infer Fields> ? Fields : never };
export type Move = { [Name in keyof Moves]: { readonly move: Name } & Moves[Name] }[keyof Moves];

/** Ordinary steps come more often than mishaps: else nothing ever lives long enough to be judged. */
const weights: Partial<Record<keyof Moves, number>> = {
  read: 8,
  readBlindly: 2,
  fill: 6,
  commit: 8,
  invalidate: 5,
  drain: 3,
  demand: 4,
  confirm: 3,
  writePlain: 2,
  promote: 0.4,
  failOver: 0.4,
  evict: 0.4,
  flush: 0.1,
  mistype: 0.2,
  forgetMember: 0.2,
  makeNewer: 0.1,
  makeRecordNewer: 0.1,
  setCounter: 0.3,
  attach: 0.4,
  dropField: 0.4,
};

export const anyMove: fc.Arbitrary<Move> = fc.oneof(
  ...Object.entries(moves).map(([move, fields]) => ({
    weight: Math.ceil(10 * (weights[move as keyof Moves] ?? 1)),
    // The entries of a record lose what belongs together.
    arbitrary: (fields as fc.Arbitrary<object>).map((made) => ({ move, ...made }) as Move),
  })),
);

export interface Player {
  /** Makes the move; resolves to what the store replied. */
  play(move: Move): Promise<unknown>;
}

export function createPlayer(scene: Scene): Player {
  const { store, raw, keys, bucket, world } = scene;
  const leases: Snapshot[] = [];
  const drains: Drain[] = [];
  const moments: Moment[] = [];
  let restore = async (): Promise<void> => raw.flush();

  const fromLast = <T>(list: readonly T[], index: number): T | undefined => list.at(-1 - index);
  const withNamespace = (value: string | undefined) => (value === undefined ? {} : { namespace: value });
  const existingKey = async (index: number): Promise<string | undefined> => (await raw.keys())[index];
  const counterOf = (value: string | undefined): string =>
    keys.versionCounters({ bucket, namespace: value }).at(-1) ?? "";
  const open = async (value: string | undefined): Promise<unknown> => {
    const reply = await store.open({ bucket, namespace: value });
    if (reply.kind === "open") leases.push(reply.snapshot);
    return reply;
  };
  const versionsFor = (sources: readonly string[], version: number | undefined) =>
    version === undefined ? {} : { sourceVersions: Object.fromEntries(sources.map((source) => [source, version])) };

  const players: { [Name in keyof Moves]: (fields: Moves[Name]) => Promise<unknown> } = {
    open: ({ namespace }) => open(namespace),
    read: async ({ query, namespace }) => {
      const reply = await scene.read(query, namespace);
      if (reply.kind === "miss") leases.push(reply.snapshot);
      return reply;
    },
    readBlindly: async ({ query, namespace, lease }) =>
      store.read({ bucket, namespace, query, versions: fromLast(leases, lease)?.versions ?? [] }),
    commit: async ({ query, namespace, sources, lease: index, isPlain, version, codec }) => {
      const lease = fromLast(leases, index) ?? leases.at(-1);
      if (!lease) return open(namespace);
      return store.commit({
        bucket,
        namespace,
        query,
        response: `${query} ${leases.length}`,
        codec,
        sources,
        ttlMs: 3_600_000,
        lease: isPlain ? { versions: lease.versions } : lease,
        ...versionsFor(sources, version),
      });
    },
    fill: async ({ query, namespace, sources }) => {
      const opened = await store.open({ bucket, namespace });
      if (opened.kind !== "open") return opened;
      leases.push(opened.snapshot);
      return scene.write(query, { sources, lease: opened.snapshot, ...withNamespace(namespace) });
    },
    invalidate: async ({ documents: ids, version, scopes, position: at, barrier }) => {
      const reply = await store.invalidate({
        bucket,
        documents: ids.map((id) => ({ id, version })),
        scopes,
        position: at && { ...position, ...at },
        barrier,
      });
      if (reply.kind === "applied") drains.push(...reply.drains);
      return reply;
    },
    drain: async ({ drain: index, origin }) => {
      const drain = fromLast(drains, index) ?? drains.at(-1);
      if (!drain) return "nothing to drain";
      const replicationId = origin === "here" ? world.replicationId : world.replicationId + 1;
      const cursor = origin === "elsewhere" ? "1" : "0";
      return store.drain({ drain, cursor, count: 100, ...(origin && { replicationId }) });
    },
    sweep: async ({ namespace }) => {
      let [cursor, deleted] = ["0", 0];
      do {
        const reply = await store.sweep({ namespace, cursor, count: 50 });
        if (reply.kind === "format") return reply;
        cursor = reply.cursor;
        deleted += reply.deleted;
      } while (cursor !== "0");
      return deleted;
    },
    heartbeat: async () => {
      const reply = await store.heartbeat({ bucket, partitions: [position, { ...position, partition: 1 }] });
      if (reply.kind !== "alive") return reply;
      // In the order of a hash, which is nobody's promise.
      const sorted = reply.drains.map((drain) => `${drain.document} ${drain.token}`).sort();
      return { ...reply, drains: sorted };
    },
    demand: async ({ query, namespace, offset, maxStalenessMs }) => {
      const after = offset === undefined ? [] : [{ ...position, offset }];
      const request = { bucket, namespace, query, demands: { after, maxStalenessMs } };
      const reply = await store.read({ ...request, versions: [] });
      return reply.kind === "moved" ? store.read({ ...request, versions: reply.versions }) : reply;
    },
    confirm: async ({ end, moment: index }) => {
      const moment = fromLast(moments, index);
      const claim = moment && { moment, ends: [end, 0] };
      const partitions = [position, { ...position, partition: 1 }];
      const reply = await store.confirm({ bucket, partitions, claim });
      if (reply.kind === "standing") moments.push(reply.moment);
      return reply;
    },
    attach: ({ offset }) => store.attach({ bucket, ...position, offset }),
    fillLock: ({ operation, query, token }) => store[operation]({ bucket, query, token, ttlMs: 3_600_000 }),
    configure: ({ group }) => store.configure({ ...record, ...(group && { group }) }),
    passTime: async ({ micros }) => {
      world.now += micros;
    },
    promote: async () => {
      world.replicationId += 1;
    },
    remember: async () => {
      restore = await raw.snapshot();
    },
    failOver: async () => {
      await restore();
      world.replicationId += 1;
    },
    evict: async ({ key: index }) => {
      const key = await existingKey(index);
      if (key !== undefined) await raw.del(key);
    },
    flush: () => raw.flush(),
    mistype: async ({ key: index, kind }) => {
      const key = await existingKey(index);
      if (key === undefined) return;
      await raw.del(key);
      if (kind === "string") await raw.set(key, "x");
      if (kind === "hash") await raw.hset(key, { x: "y" });
      if (kind === "set") await raw.sadd(key, "x");
      if (kind === "zset") await raw.zadd(key, "x", 1);
    },
    forgetMember: async ({ member }) => {
      if ((await raw.type(keys.fence(bucket))) === "zset") await raw.zrem(keys.fence(bucket), member);
    },
    makeNewer: async () => {
      if ((await raw.type(keys.fence(bucket))) === "zset") await raw.zadd(keys.fence(bucket), " format", 2);
    },
    makeRecordNewer: async () => {
      if ((await raw.type(keys.config)) === "hash") await raw.hset(keys.config, { format: "2" });
    },
    setCounter: ({ namespace, text }) => raw.set(counterOf(namespace), text),
    writePlain: async ({ query, sources, prefix }) => {
      const key = keys.entry({ bucket }, query, leases.at(-1)?.versions.slice(0, 1) ?? ["1"]);
      await raw.del(key);
      for (const source of sources) await raw.del(scene.setOf(source, prefix));
      return scene.plain(query, { sources, prefix, key }).then(() => undefined);
    },
    overwrite: async ({ query, namespace, sources }) => {
      const key = keys.entry({ bucket, namespace }, query, leases.at(-1)?.versions ?? ["1"]);
      if ((await raw.type(key)) === "hash") await raw.hset(key, { response: "foreign", sources });
    },
    dropField: async ({ query, namespace, field }) => {
      const key = keys.entry({ bucket, namespace }, query, leases.at(-1)?.versions ?? ["1"]);
      if ((await raw.type(key)) === "hash") await raw.hdel(key, field);
    },
    listAgain: async ({ query, namespace, document: id, prefix }) => {
      const set = scene.setOf(id, prefix);
      const isSet = ["none", "set"].includes(await raw.type(set));
      if (isSet) await raw.sadd(set, keys.entry({ bucket, namespace }, query, leases.at(-1)?.versions ?? ["1"]));
    },
    dropSet: ({ document: id, prefix }) => raw.del(scene.setOf(id, prefix)),
  };

  return {
    // The player of a move takes its fields: a correlation that the compiler does not follow.
    play: (move) => (players[move.move] as (fields: Move) => Promise<unknown>)(move),
  };
}
