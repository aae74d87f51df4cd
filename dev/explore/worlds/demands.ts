import { boundedVisitor, confirmer, editorWhoLooks, flightWithEditor } from "../actors/demanding.ts";
import { clockJump, eviction, failover, replication } from "../hazards.ts";
import type { World } from "../world.ts";
import { editsOf, producer, q1, q2, serviceWorker, started, world } from "./parts.ts";

const second = 1_000_000;
const filled = [...started("w1"), "p1", "p1", "p1", "p1"];
const editA = { partition: "0", documents: ["A"] };
const editor = { name: "editor", program: editorWhoLooks(q1, editA) };
const bounded = { name: "r1", program: boundedVisitor(q1, 1) };
const confirming = (partitions: readonly string[], rounds: number) => ({
  name: "c1",
  program: confirmer({ partitions, rounds }),
});

/** Reads that know what they need. */
export const demands: readonly World[] = [
  world("after", "an editor looks at what it changed, while others fill and the worker is busy", {
    prelude: started("w1"),
    actors: [producer("p1", q1, { tries: 2 }), editor, serviceWorker("w1")],
  }),
  world("after, lost", "the same; keys are evicted, or a replica is promoted", {
    prelude: filled,
    actors: [producer("p1", q1), editor, serviceWorker("w1")],
    budgets: { evict: 1, replicate: 1, failover: 1, heartbeat: 1 },
    hazards: [eviction((key) => !key.startsWith("unstale:")), replication, failover()],
  }),
  world("after, shared", "an editor asks while a visitor's fill is under way", {
    prelude: started("w1"),
    actors: [{ name: "g1", program: flightWithEditor(q1, editA) }, producer("p1", q1), serviceWorker("w1")],
  }),
  world("bounded", "reads of bounded staleness; time passes; two partitions, each with a worker of its own", {
    names: ["A", "B", "@"],
    partitions: ["0", "1"],
    questions: [q2],
    prelude: [...started("w1", "w2"), "p1", "p1", "p1", "p1", "p1"],
    actors: [
      producer("p1", q2),
      editsOf("0", ["A"]),
      editsOf("1", ["B"], "editor1"),
      { name: "r1", program: boundedVisitor(q2, 1) },
      confirming(["0", "1"], 1),
      serviceWorker("w1"),
      serviceWorker("w2", { partition: "1" }),
    ],
    budgets: { jump: 1 },
    hazards: [clockJump(6 * second)],
  }),
  world("bounded, failover", "reads of bounded staleness; a replica is promoted whose clock is behind", {
    prelude: filled,
    actors: [producer("p1", q1), editsOf("0", ["A"]), bounded, confirming(["0"], 1), serviceWorker("w1")],
    budgets: { jump: 1, replicate: 1, failover: 1, heartbeat: 1 },
    hazards: [clockJump(6 * second), replication, failover({ clock: -4 * second })],
  }),
  world("bounded, eviction", "reads of bounded staleness; a key of the bucket's state is evicted", {
    prelude: filled,
    actors: [producer("p1", q1), editsOf("0", ["A"]), bounded, confirming(["0"], 2), serviceWorker("w1")],
    budgets: { jump: 1, evict: 1, heartbeat: 1 },
    hazards: [clockJump(6 * second), eviction((key) => !key.startsWith("unstale:") || key === "unstale:versions")],
  }),
];
