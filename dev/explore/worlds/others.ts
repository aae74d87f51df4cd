import { compose } from "../actors/composer.ts";
import { foreignFill, foreignWorker, meddler, plainKeys } from "../actors/foreign.ts";
import { plainSet } from "../actors/producer.ts";
import { eviction, failover, replication } from "../hazards.ts";
import type { Question, World } from "../world.ts";
import { edits, keyOf, producer, q1, serviceWorker, started, world } from "./parts.ts";

const foreign = { ...plainKeys, keyOf };
const counter = { name: "SET", key: "cache:version", text: "41" } as const;
const outer: Question = { bucket: 0, query: "outer", sources: ["A", "B"] };
const inDocs: Question = { ...q1, namespace: "docs" };

/** Programs of the plain schema beside us. */
export const foreigners: readonly World[] = [
  world("foreign writer", "a program of the plain schema writes the same entry", {
    seeds: [counter],
    prelude: started("w1"),
    actors: [
      producer("p1", q1, { tries: 2 }),
      { name: "f1", program: foreignFill(q1, foreign) },
      edits("A"),
      serviceWorker("w1"),
    ],
    budgets: { evict: 1 },
    hazards: [eviction((key) => key === "cache:version")],
  }),
  world(
    "foreign listing",
    "a program of the plain schema lists an entry again, at the worst moment; two keys are evicted",
    {
      seeds: [counter],
      prelude: [...started("w1"), "p1", "p1", "p1", "p1"],
      actors: [
        producer("p1", q1),
        { name: "f1", program: foreignFill(q1, { ...foreign, listsOnly: true }) },
        edits("A"),
        serviceWorker("w1"),
      ],
      budgets: { evict: 2, heartbeat: 1 },
      hazards: [eviction((key) => key === "cache:version")],
    },
  ),
  world("foreign listing, failover", "the same, a replica is promoted", {
    seeds: [counter],
    prelude: [...started("w1"), "p1", "p1", "p1", "p1"],
    actors: [
      producer("p1", q1),
      { name: "f1", program: foreignFill(q1, { ...foreign, listsOnly: true }) },
      edits("A"),
      serviceWorker("w1"),
    ],
    budgets: { evict: 1, replicate: 1, failover: 1, heartbeat: 1 },
    hazards: [replication, failover(), eviction((key) => key === "cache:version")],
  }),
  world("foreign listing, pruning", "the same, only one fence is remembered", {
    names: ["A", "B", "@"],
    machine: { policy: { maxFences: 1 } },
    seeds: [counter],
    prelude: started("w1"),
    actors: [
      producer("p1", q1),
      { name: "f1", program: foreignFill(q1, { ...foreign, listsOnly: true }) },
      edits("A", "B"),
      serviceWorker("w1", { batch: 1 }),
    ],
    budgets: { evict: 1 },
    hazards: [eviction((key) => !key.startsWith("doc_deps:"))],
  }),
  world("foreign listing, drains", "a foreign SADD after a dependency set was taken away", {
    machine: { policy: { inlineLimit: 0 } },
    seeds: [counter],
    prelude: started("w1"),
    actors: [producer("p1", q1), { name: "f1", program: foreignFill(q1, foreign) }, edits("A"), serviceWorker("w1")],
  }),
  world("foreign worker", "a worker of the plain schema deletes beside ours", {
    seeds: [counter],
    prelude: started("w1"),
    actors: [
      producer("p1", q1, { tries: 2 }),
      { name: "f1", program: foreignFill(q1, foreign) },
      { name: "fw", program: foreignWorker(["A"], plainKeys) },
      edits("A"),
      serviceWorker("w1"),
    ],
  }),
  world("foreign namespace", "keys of the plain schema in a namespace carry no version", {
    names: ["A", "@", "@docs"],
    questions: [inDocs],
    seeds: [counter],
    prelude: started("w1"),
    unversioned: [keyOf(inDocs, [])],
    actors: [
      { name: "f1", program: foreignFill(inDocs, { ...foreign, unversioned: true }) },
      producer("p1", inDocs),
      edits("@docs"),
      serviceWorker("w1"),
    ],
  }),
  ...["{}", "null", '"abc"', "[true]", ""].map((sourcesField) =>
    world(`foreign sources ${sourcesField || "(empty)"}`, "an entry whose sources cannot be understood", {
      seeds: [counter],
      prelude: started("w1"),
      actors: [{ name: "f1", program: foreignFill(q1, { ...foreign, sourcesField }) }, edits("A"), serviceWorker("w1")],
      budgets: { evict: 1 },
      hazards: [eviction((key) => !key.startsWith("doc_deps:"))],
    }),
  ),
  world("foreign members", "a dependency set names keys that are nobody's business", {
    seeds: [counter, { name: "SET", key: "orders:7", text: "mine" }],
    bystanders: ["orders:7", "cache:version"],
    prelude: started("w1"),
    actors: [
      producer("p1", q1),
      {
        name: "f1",
        program: meddler([
          { name: "SADD", key: "doc_deps:A", member: "orders:7" },
          { name: "SADD", key: "doc_deps:A", member: "cache:version" },
        ]),
      },
      edits("A"),
      serviceWorker("w1"),
    ],
  }),
  world("wrong type", "a dependency set, then the account of drains, is a key of another type", {
    // Entries of the document are refused as long as the foreign key stands there: until its next event.
    end: "unfilled",
    prelude: started("w1"),
    actors: [
      producer("p1", q1, { tries: 2 }),
      {
        name: "f1",
        program: meddler([
          { name: "SET", key: "doc_deps:A", text: "mine" },
          { name: "SET", key: "unstale:draining", text: "mine" },
        ]),
      },
      edits("A"),
      serviceWorker("w1", { batch: 1 }),
    ],
  }),
  world("newer format", "a program of a newer format takes the keys over", {
    end: "stopped",
    actors: [
      producer("p1", q1),
      { name: "f1", program: meddler([{ name: "ZADD", key: "unstale:fence", member: " format", score: 2 }]) },
      edits("A"),
      serviceWorker("w1"),
    ],
    budgets: { heartbeat: 1 },
  }),
  world("newer format, drains", "a program of a newer format takes the keys over while a worker still deletes", {
    names: ["A", "B", "@"],
    machine: { policy: { inlineLimit: 0 } },
    end: "stopped",
    prelude: [...started("w1"), "p1", "p1", "p1", "p1", "p2", "p2", "p2", "p2"],
    actors: [
      producer("p1", q1),
      // Not taken by the drain: a sweep meets it.
      producer("p2", { bucket: 0, query: "other", sources: ["B"] }),
      { name: "f1", program: meddler([{ name: "ZADD", key: "unstale:fence", member: " format", score: 2 }]) },
      edits("A", "@"),
      serviceWorker("w1", { drainCount: 1 }),
    ],
  }),
];

/** Other ways to write. */
export const writers: readonly World[] = [
  world("plain set", "a write without a lease beside one with a lease", {
    prelude: started("w1"),
    actors: [
      { name: "s1", program: plainSet(q1) },
      producer("p1", q1, { tries: 2, codec: "json" }),
      edits("A"),
      serviceWorker("w1"),
    ],
  }),
  world("other sources", "an entry is written again with other sources", {
    names: ["A", "B", "@"],
    questions: [q1],
    prelude: started("w1"),
    actors: [
      producer("p1", { ...q1, sources: ["A", "B"] }),
      producer("p2", q1, { tries: 2 }),
      edits("B", "A"),
      serviceWorker("w1", { batch: 1 }),
    ],
  }),
  world("composed", "an answer is built from a cached answer", {
    names: ["A", "B", "@"],
    questions: [q1, outer],
    prelude: started("w1"),
    actors: [producer("p1", q1), { name: "c1", program: compose(outer, q1) }, edits("A"), serviceWorker("w1")],
  }),
  world("lagging source", "a source is read from a replica that lags behind; events and answers carry versions", {
    questions: [{ ...q1, versioned: true }],
    prelude: started("w1"),
    actors: [producer("p1", { ...q1, versioned: true }, { tries: 2, lagging: true }), edits("A"), serviceWorker("w1")],
    budgets: { evict: 1 },
    hazards: [eviction((key) => key !== "unstale:versions")],
    end: "unfilled",
  }),
  world("two buckets", "entries of two buckets; events reach one before the other; a failover", {
    machine: { layout: { buckets: 2 } },
    names: ["A", "B", "@"],
    questions: [q1, { ...outer, bucket: 1 }],
    prelude: [...started("w1"), "w1", "w1"],
    actors: [
      producer("p1", q1),
      { name: "c1", program: compose({ ...outer, bucket: 1 }, q1) },
      edits("A"),
      serviceWorker("w1", { buckets: 2 }),
    ],
    budgets: { failover: 1, heartbeat: 1 },
    hazards: [failover()],
  }),
];
