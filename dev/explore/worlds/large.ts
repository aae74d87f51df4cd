import { compose } from "../actors/composer.ts";
import { foreignFill, foreignWorker, plainKeys } from "../actors/foreign.ts";
import { plainSet } from "../actors/producer.ts";
import { flight, visitor } from "../actors/visitor.ts";
import { clockJump, eviction, failover, flush, recreation, replication, retention } from "../hazards.ts";
import type { Question, World } from "../world.ts";
import { edits, editsOf, keyOf, longest, producer, q1, q2, serviceWorker, world } from "./parts.ts";

const hour = 3_600_000_000;
const nested: Question = { bucket: 0, namespace: "docs:technical", query: "q3", sources: ["A"] };
const outer: Question = { bucket: 0, query: "outer", sources: ["A", "B", "C"] };
const names = ["A", "B", "C", "@", "@docs", "@docs:technical"];
const counter = { name: "SET", key: "cache:version", text: "41" } as const;

const mishaps = {
  budgets: { evict: 3, flush: 1, jump: 2, replicate: 3, failover: 2, crash: 2, lost: 3, heartbeat: 4 },
  hazards: [eviction(), flush, clockJump(1.1 * hour, longest * 1_000, -hour), replication, failover({ clock: -hour })],
};

/** Too large to be explored whole: random walks go through them. Everything that may happen to us happens here. */
export const large: readonly World[] = [
  world("everything", "producers of all kinds, two workers that both believe to be the owner, all mishaps", {
    ...mishaps,
    names,
    questions: [q1, q2, nested, outer],
    actors: [
      producer("p1", q1, { tries: 3, lossy: true }),
      producer("p2", q2, { tries: 3 }),
      producer("p3", nested, { tries: 3, lossy: true }),
      { name: "c1", program: compose(outer, q2) },
      { name: "g1", program: flight(q1) },
      { name: "s1", program: plainSet(q2) },
      { name: "v1", program: visitor(nested, 4) },
      edits("A", "B", "@docs", "A", "@", "C", "@docs:technical"),
      serviceWorker("w1", { lossy: true, mortal: "restarts" }),
      serviceWorker("w2", { lossy: true, batch: 1 }),
    ],
  }),
  world(
    "everything alone",
    "the same where no foreign writer shares the keys, sets are drained, few fences are remembered",
    {
      ...mishaps,
      machine: { policy: { foreignWriters: false, inlineLimit: 1, maxFences: 2 }, setMaxListpackEntries: 1 },
      names,
      questions: [q1, q2, nested, outer],
      actors: [
        producer("p1", q1, { tries: 3, lossy: true }),
        producer("p2", q2, { tries: 3 }),
        producer("p3", nested, { tries: 3, lossy: true }),
        { name: "c1", program: compose(outer, q2) },
        edits("A", "B", "@docs", "A", "@", "B"),
        serviceWorker("w1", { lossy: true, mortal: "restarts", drainCount: 1, sweepCount: 3 }),
      ],
    },
  ),
  world("everything shared", "foreign writers and a foreign worker beside us, all mishaps", {
    ...mishaps,
    machine: { policy: { inlineLimit: 1 } },
    names,
    seeds: [counter],
    questions: [q1, q2],
    actors: [
      producer("p1", q1, { tries: 3 }),
      producer("p2", q2, { tries: 3 }),
      { name: "f1", program: foreignFill(q1, { ...plainKeys, keyOf }) },
      { name: "f2", program: foreignFill(q2, { ...plainKeys, keyOf, tagsFirst: true }) },
      { name: "f3", program: foreignFill(q2, { ...plainKeys, keyOf, listsOnly: true }) },
      { name: "fw", program: foreignWorker(["A", "B"], plainKeys) },
      edits("A", "B", "A", "@"),
      serviceWorker("w1", { lossy: true, mortal: "restarts" }),
    ],
  }),
  world("everything twice", "two buckets, two partitions; topics are recreated, logs forget", {
    ...mishaps,
    budgets: { ...mishaps.budgets, recreate: 1, retention: 1 },
    hazards: [...mishaps.hazards, recreation("1"), retention("0")],
    machine: { layout: { buckets: 2 } },
    names,
    partitions: ["0", "1"],
    questions: [q1, { ...q2, bucket: 1 }, { ...nested, bucket: 1 }],
    actors: [
      producer("p1", q1, { tries: 3 }),
      producer("p2", { ...q2, bucket: 1 }, { tries: 3 }),
      producer("p3", { ...nested, bucket: 1 }, { tries: 2 }),
      { name: "c1", program: compose({ ...q2, bucket: 1 }, q1) },
      editsOf("0", ["A", "@docs", "A"], "editor0"),
      editsOf("1", ["B", "B", "@"], "editor1"),
      serviceWorker("w0", { buckets: 2, lossy: true, mortal: "restarts" }),
      serviceWorker("w1", { buckets: 2, partition: "1", lossy: true }),
    ],
  }),
];
