import type { ActorSpec } from "../actor.ts";
import { type ComposerFlaws, compose } from "../actors/composer.ts";
import { foreignFill, naiveWorker, plainKeys } from "../actors/foreign.ts";
import { type FlightFlaws, flight } from "../actors/visitor.ts";
import type { WorkerFlaws } from "../actors/worker.ts";
import { eviction, failover, recreation, replication } from "../hazards.ts";
import type { Promised } from "../violation.ts";
import type { Question } from "../world.ts";
import { edits, keyOf, producer, q1, q2, serviceWorker, started, world } from "../worlds/parts.ts";
import type { Mutant } from "./mutant.ts";

const outer: Question = { bucket: 0, query: "outer", sources: ["A", "B"] };
const inDocs: Question = { ...q1, namespace: "docs" };
const drained = { policy: { inlineLimit: 0 }, setMaxListpackEntries: 0 };
const filled = [...started("w1"), "p1", "p1", "p1", "p1"];

/** What everybody writes first. */
const naive: Mutant = {
  name: "the naive algorithm: HSET, EXPIRE, SADD against SMEMBERS, DEL, DEL",
  breaks: ["I1", "I3"],
  world: world("naive", "", {
    unexcused: true,
    seeds: [{ name: "SET", key: "cache:version", text: "1" }],
    actors: [
      { name: "p1", program: foreignFill(q1, { ...plainKeys, keyOf }) },
      edits("A"),
      { name: "w1", program: naiveWorker("0", plainKeys), service: true },
    ],
  }),
};

function ofWorker(
  name: string,
  breaks: readonly Promised[],
  flaws: WorkerFlaws,
  rest: Partial<Parameters<typeof world>[2]> & { hole?: string; worker?: Parameters<typeof serviceWorker>[1] } = {},
): Mutant {
  const { hole, worker, ...more } = rest;
  return {
    name,
    breaks,
    ...(hole === undefined ? {} : { hole }),
    world: world(name, "", {
      prelude: filled,
      actors: [producer("p1", q1), edits("A"), serviceWorker("w1", { ...worker, flaws })],
      ...more,
    }),
  };
}

function ofProgram(name: string, breaks: readonly Promised[], actors: readonly ActorSpec[], hole?: string): Mutant {
  const names = ["A", "B", "@", "@docs"];
  return {
    name,
    breaks,
    ...(hole === undefined ? {} : { hole }),
    world: world(name, "", { names, prelude: started("w1"), actors: [...actors, edits("A"), serviceWorker("w1")] }),
  };
}

const composed = (flaws: ComposerFlaws): ActorSpec => ({ name: "c1", program: compose(outer, q1, { flaws }) });
const shared = (flaws: FlightFlaws): ActorSpec => ({ name: "g1", program: flight(q1, flaws) });

/** Mistakes of programs: workers, producers, whoever composes or shares. */
export const programMutants: readonly Mutant[] = [
  naive,
  ofProgram(
    "the lease is taken after the sources were read",
    ["I2"],
    [producer("p1", q1, { flaws: { leaseAfterSources: true } })],
  ),
  {
    ...ofProgram("the key is built from the versions of now", ["I2"], [], "H1"),
    world: world("current versions", "", {
      names: ["A", "@", "@docs"],
      questions: [inDocs],
      prelude: started("w1"),
      actors: [producer("p1", inDocs, { flaws: { currentVersions: true } }), edits("@docs"), serviceWorker("w1")],
    }),
  },
  ofProgram("joiners take a fill whose write was refused", ["I9"], [shared({ takesRefused: true })]),
  ofProgram("callers join after the commit was sent", ["I9"], [shared({ joinsLate: true })]),
  {
    ...ofProgram("the sources of inner answers are not inherited", ["I1", "I2"], []),
    world: world("not inherited", "", {
      names: ["A", "B", "@"],
      questions: [q1, outer],
      prelude: started("w1"),
      actors: [composed({ forgetsInnerSources: true }), edits("A"), serviceWorker("w1")],
    }),
  },
  {
    ...ofProgram("the inner answer is looked up before the lease is taken", ["I1", "I2"], []),
    world: world("inner first", "", {
      names: ["A", "B", "@"],
      questions: [q1, outer],
      prelude: started("w1"),
      actors: [composed({ innerFirst: true }), edits("A"), serviceWorker("w1")],
    }),
  },
  {
    name: "an answer built from another bucket's answer is kept",
    breaks: ["I1", "I2"],
    world: world("across buckets", "", {
      machine: { layout: { buckets: 2 } },
      names: ["A", "B", "@"],
      questions: [q1, { ...outer, bucket: 1 }],
      prelude: [...started("w1"), "w1", "w1", "p1", "p1", "p1", "p1"],
      actors: [
        producer("p1", { ...q1, bucket: 1 }),
        {
          name: "c1",
          program: compose(outer, { ...q1, bucket: 1 }, { flaws: { cachesAcrossBuckets: true } }),
        },
        edits("A"),
        serviceWorker("w1", { buckets: 2 }),
      ],
    }),
  },
  ofWorker("the offset is committed before the barrier", ["I1"], { acknowledgesFirst: true }),
  ofWorker(
    "only the first bucket is called",
    ["I1"],
    { oneBucketOnly: true },
    {
      machine: { layout: { buckets: 2 } },
      questions: [{ ...q1, bucket: 1 }],
      prelude: [...started("w1"), "w1", "w1", "p1", "p1", "p1", "p1"],
      actors: [
        producer("p1", { ...q1, bucket: 1 }),
        edits("A"),
        serviceWorker("w1", { buckets: 2, flaws: { oneBucketOnly: true } }),
      ],
    },
  ),
  ofWorker("the offset is committed before the drains", ["I3"], { doesNotDrain: true }, { machine: drained }),
  ofWorker(
    "drains that an earlier call registered are left to nobody",
    ["I3"],
    { ignoresOthersDrains: true },
    {
      hole: "H11",
      machine: drained,
      worker: { lossy: true },
      budgets: { lost: 1 },
    },
  ),
  ofWorker(
    "each drain step begins at 0 again",
    ["live"],
    { forgetsCursor: true },
    {
      machine: drained,
      names: ["A", "B", "@"],
      questions: [q1, q2],
      prelude: [...filled, "p2", "p2", "p2", "p2", "p2"],
      actors: [
        producer("p1", q1),
        producer("p2", q2),
        edits("A"),
        serviceWorker("w1", { drainCount: 1, flaws: { forgetsCursor: true } }),
      ],
    },
  ),
  ofWorker(
    "the cursor of a drain is carried across a failover",
    ["I3"],
    { carriesCursorAcross: true },
    {
      hole: "H12",
      machine: drained,
      names: ["A", "B", "@"],
      questions: [q1, q2],
      prelude: [...filled, "p2", "p2", "p2", "p2", "p2"],
      budgets: { replicate: 1, failover: 1 },
      hazards: [replication, failover()],
      actors: [
        producer("p1", q1),
        producer("p2", q2),
        edits("A"),
        serviceWorker("w1", { drainCount: 1, flaws: { carriesCursorAcross: true } }),
      ],
    },
  ),
  ofWorker(
    "the keys of a namespace that carry no version are not scanned",
    ["I3"],
    { doesNotSweep: true },
    {
      hole: "H21",
      names: ["A", "@", "@docs"],
      questions: [inDocs],
      unversioned: [keyOf(inDocs, [])],
      prelude: started("w1"),
      actors: [
        { name: "f1", program: foreignFill(inDocs, { ...plainKeys, keyOf, unversioned: true }) },
        edits("@docs"),
        serviceWorker("w1", { flaws: { doesNotSweep: true } }),
      ],
    },
  ),
  ofWorker(
    "a rollback is noticed and not repaired",
    ["I1", "I5"],
    { ignoresRollback: true },
    {
      budgets: { replicate: 1, failover: 1 },
      hazards: [replication, failover()],
    },
  ),
  ofWorker(
    "a partition that Valkey forgot is taken for a new one",
    ["I1", "I5"],
    { ignoresLoss: true },
    {
      hole: "H7",
      budgets: { evict: 1, replicate: 1, failover: 1 },
      hazards: [replication, failover(), eviction((key) => key !== "unstale:state")],
    },
  ),
  ofWorker(
    "nobody waits for a replica when a recreated topic is attached",
    ["I1", "I5"],
    { doesNotWait: true },
    {
      hole: "H22",
      prelude: [...filled, "editor", "w1.fetch", "w1", "w1", "p2", "p2", "p2", "p2", "replicate", "recreate 0"],
      actors: [
        producer("p1", q1),
        producer("p2", q1),
        edits("A", "A"),
        serviceWorker("w1", { flaws: { doesNotWait: true } }),
      ],
      budgets: { recreate: 1, replicate: 1, failover: 1 },
      hazards: [recreation("0"), replication, failover()],
    },
  ),
];
