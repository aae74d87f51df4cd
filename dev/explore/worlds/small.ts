import type { World } from "../world.ts";
import { edits, producer, q1, q2, serviceWorker, started, world } from "./parts.ts";

const two = { names: ["A", "B", "@"], questions: [q1, q2] } as const;

/** Nobody but ourselves, and nothing is lost: the protocol's everyday. */
export const small: readonly World[] = [
  world("basic", "two producers of one entry, one worker, two changes of one document", {
    actors: [producer("p1", q1, { tries: 2 }), producer("p2", q1), edits("A", "A"), serviceWorker("w1")],
  }),
  world("sources", "answers with several sources, changes of each", {
    ...two,
    prelude: started("w1"),
    actors: [producer("p1", q2, { tries: 2 }), producer("p2", q1), edits("B", "A"), serviceWorker("w1")],
  }),
  world("crash", "the worker dies and begins anew; replies get lost on both sides", {
    prelude: started("w1"),
    actors: [producer("p1", q1, { lossy: true }), edits("A"), serviceWorker("w1", { lossy: true, mortal: "restarts" })],
    budgets: { crash: 1, lost: 1, heartbeat: 1 },
  }),
  world("zombie", "two workers believe that they own the partition", {
    prelude: started("w1", "w2"),
    actors: [producer("p1", q1, { tries: 2 }), edits("A"), serviceWorker("w1"), serviceWorker("w2")],
  }),
  world("namespaces", "namespaces of two levels and everything are raised, a document changes", {
    names: ["A", "@", "@docs", "@docs:technical"],
    questions: [{ ...q1, namespace: "docs:technical" }],
    prelude: started("w1"),
    actors: [
      producer("p1", { ...q1, namespace: "docs:technical" }, { tries: 2 }),
      edits("@docs", "@", "A"),
      serviceWorker("w1", { batch: 1 }),
    ],
  }),
  world("drains", "a dependency set is taken away and deleted step by step; the worker dies, replies get lost", {
    ...two,
    machine: { policy: { inlineLimit: 0 }, setMaxListpackEntries: 0 },
    prelude: [...started("w1"), "p1", "p1", "p1", "p1", "p2", "p2", "p2", "p2", "p2"],
    actors: [
      producer("p1", q1),
      producer("p2", q2),
      producer("p3", q1),
      edits("A"),
      serviceWorker("w1", { lossy: true, mortal: "restarts", drainCount: 1 }),
    ],
    budgets: { crash: 1, lost: 1, heartbeat: 1 },
  }),
  world("pruning", "only one fence is remembered", {
    ...two,
    machine: { policy: { maxFences: 1 } },
    prelude: started("w1"),
    actors: [producer("p1", q2, { tries: 2 }), edits("A", "B", "A"), serviceWorker("w1", { batch: 1 })],
  }),
];
