import { clockJump, eviction, failover, flush, recreation, replication, retention } from "../hazards.ts";
import type { World } from "../world.ts";
import { edits, editsOf, longest, producer, q1, q2, serviceWorker, started, world } from "./parts.ts";

const alone = { policy: { foreignWriters: false } };
const hour = 3_600_000_000;

/** Something is lost: keys, the server, the log. */
export const harm: readonly World[] = [
  world("eviction", "any two keys are evicted", {
    prelude: started("w1"),
    actors: [producer("p1", q1, { tries: 2 }), edits("A"), serviceWorker("w1")],
    budgets: { evict: 2, heartbeat: 1 },
    hazards: [eviction()],
  }),
  world("eviction alone", "any two keys are evicted where no foreign writer shares them", {
    machine: alone,
    prelude: started("w1"),
    actors: [producer("p1", q1, { tries: 2 }), edits("A"), serviceWorker("w1")],
    budgets: { evict: 2, heartbeat: 1 },
    hazards: [eviction()],
  }),
  world("flush", "everything is deleted at any time", {
    prelude: started("w1"),
    actors: [producer("p1", q1, { tries: 2 }), edits("A"), serviceWorker("w1")],
    budgets: { flush: 1, heartbeat: 1 },
    hazards: [flush],
  }),
  world("failover", "a replica is promoted that lacks the last writes, its clock is behind", {
    prelude: started("w1"),
    actors: [producer("p1", q1, { tries: 2 }), edits("A", "A"), serviceWorker("w1", { batch: 1 })],
    budgets: { replicate: 1, failover: 1, heartbeat: 1 },
    hazards: [replication, failover({ clock: -hour })],
  }),
  world("failover alone", "the same where no foreign writer shares the keys, and a key is evicted", {
    machine: alone,
    prelude: started("w1"),
    actors: [producer("p1", q1, { tries: 1 }), edits("A"), serviceWorker("w1")],
    budgets: { replicate: 1, failover: 1, evict: 1, heartbeat: 1 },
    hazards: [replication, failover({ clock: -hour }), eviction()],
  }),
  world("failover bump", "a failover loses that everything was raised", {
    names: ["A", "@", "@docs"],
    questions: [{ ...q1, namespace: "docs" }],
    prelude: started("w1"),
    actors: [
      producer("p1", { ...q1, namespace: "docs" }, { tries: 1 }),
      edits("@docs", "@"),
      serviceWorker("w1", { batch: 1 }),
    ],
    budgets: { replicate: 1, failover: 1, heartbeat: 1 },
    hazards: [replication, failover()],
  }),
  world("failover drain", "a failover in the middle of a drain", {
    machine: { policy: { inlineLimit: 0 }, setMaxListpackEntries: 0 },
    names: ["A", "B", "@"],
    questions: [q1, q2],
    prelude: started("w1"),
    actors: [producer("p1", q1), producer("p2", q2), edits("A"), serviceWorker("w1", { drainCount: 1 })],
    budgets: { replicate: 1, failover: 1, heartbeat: 1 },
    hazards: [replication, failover()],
  }),
  world("recreated", "the topic is made anew; a failover brings back an old account", {
    prelude: [...started("w1"), "p1", "p1", "p1", "p1"],
    actors: [producer("p1", q1, { tries: 1 }), edits("A", "A"), serviceWorker("w1", { batch: 1 })],
    budgets: { recreate: 1, replicate: 1, failover: 1 },
    hazards: [recreation("0"), replication, failover()],
  }),
  world("retention", "the log forgets an event that nobody applied; the worker dies", {
    prelude: [...started("w1"), "p1", "p1", "p1", "p1"],
    actors: [producer("p1", q1, { tries: 1 }), edits("A", "A"), serviceWorker("w1", { batch: 1, mortal: "restarts" })],
    budgets: { retention: 1, crash: 1 },
    hazards: [retention("0")],
  }),
  world("partitions", "two documents on two partitions, two workers, a failover", {
    names: ["A", "B", "@"],
    partitions: ["0", "1"],
    questions: [q2],
    prelude: started("w0", "w1"),
    actors: [
      producer("p1", q2),
      editsOf("0", ["A"], "editor0"),
      editsOf("1", ["B"], "editor1"),
      serviceWorker("w0"),
      serviceWorker("w1", { partition: "1" }),
    ],
    budgets: { failover: 1 },
    hazards: [failover()],
  }),
  world("ageing", "time passes: entries and index expire, fences are forgotten by age", {
    prelude: started("w1"),
    actors: [producer("p1", q1, { tries: 2 }), edits("A"), serviceWorker("w1", { batch: 1 })],
    budgets: { jump: 2, heartbeat: 1 },
    hazards: [clockJump(1.1 * hour, longest * 1_000 + hour, -hour)],
  }),
];
