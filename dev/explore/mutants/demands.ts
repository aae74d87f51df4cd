import {
  boundedVisitor,
  type ConfirmerFlaws,
  confirmer,
  editorWhoLooks,
  flightWithEditor,
} from "../actors/demanding.ts";
import { clockJump, failover, replication } from "../hazards.ts";
import { edits, editsOf, producer, q1, q2, serviceWorker, started, world } from "../worlds/parts.ts";
import type { Mutant } from "./mutant.ts";

const second = 1_000_000;
const filled = [...started("w1"), "p1", "p1", "p1", "p1"];
const editA = { partition: "0", documents: ["A"] };
const w1 = serviceWorker("w1");

/** An entry of A is there; A changes; somebody confirms, time passes, and a reader comes. */
function bounded(name: string, flaws: ConfirmerFlaws = {}, by = 6 * second): Mutant["world"] {
  return world(name, "", {
    prelude: filled,
    end: "stopped",
    actors: [
      producer("p1", q1),
      edits("A"),
      { name: "r1", program: boundedVisitor(q1, 1) },
      { name: "c1", program: confirmer({ partitions: ["0"], rounds: 1, flaws }) },
      w1,
    ],
    budgets: { jump: 1 },
    hazards: [clockJump(by)],
  });
}

/** Mistakes in what reads with demands stand on, made in a script. */
export const demandScriptMutants: readonly Mutant[] = [
  {
    name: "a read after a record is content with the one before it",
    breaks: ["after"],
    patch: [["next_offset <= tonumber", "next_offset < tonumber"]],
    world: world("after", "", {
      prelude: filled,
      actors: [producer("p1", q1), { name: "editor", program: editorWhoLooks(q1, editA) }, w1],
    }),
  },
  {
    name: "a read after a record takes a partition that is not known for one that is applied",
    breaks: ["after"],
    patch: [["if not next_offset or next_offset", "if next_offset and next_offset"]],
    world: world("after, elsewhere", "", {
      partitions: ["0", "1"],
      prelude: filled,
      end: "stopped",
      actors: [producer("p1", q1), { name: "editor", program: editorWhoLooks(q1, { ...editA, partition: "1" }) }, w1],
    }),
  },
  {
    name: "a read of bounded staleness does not look at the watermark's age",
    breaks: ["fresh"],
    patch: [["or age > tonumber(ARGV[6])", ""]],
    world: bounded("age"),
  },
  {
    name: "the watermark is written though something is missing",
    breaks: ["fresh"],
    patch: [["then holds = false end", "then holds = holds end"]],
    world: bounded("claim"),
  },
  {
    name: "the watermark is written for a moment of another server",
    breaks: ["fresh"],
    patch: [[" and tonumber(ARGV[5]) == replid", ""]],
    world: world("moment", "", {
      prelude: [...filled, "replicate", "c1", "c1", "failover"],
      end: "stopped",
      actors: [
        producer("p1", q1),
        edits("A"),
        { name: "r1", program: boundedVisitor(q1, 1) },
        { name: "c1", program: confirmer({ partitions: ["0"], rounds: 1 }) },
        w1,
      ],
      budgets: { jump: 2, failover: 1, replicate: 1 },
      hazards: [clockJump(4 * second), replication, failover({ clock: -4 * second })],
    }),
  },
];

/** Mistakes of programs that confirm, or share. */
export const demandProgramMutants: readonly Mutant[] = [
  {
    name: "the ends of the logs are asked for before the moment",
    breaks: ["fresh"],
    world: bounded("ends first", { asksEndsFirst: true }),
  },
  {
    name: "partitions of nobody are not counted when the watermark is written",
    breaks: ["fresh"],
    world: world("nobody's partition", "", {
      names: ["A", "B", "@"],
      partitions: ["0", "1"],
      questions: [q2],
      prelude: [...filled, "p1"],
      end: "stopped",
      actors: [
        producer("p1", q2),
        editsOf("1", ["B"], "editor1"),
        { name: "r1", program: boundedVisitor(q2, 1) },
        { name: "c1", program: confirmer({ partitions: ["0", "1"], rounds: 1, flaws: { ignoresOthers: true } }) },
        w1,
      ],
      budgets: { jump: 1 },
      hazards: [clockJump(6 * second)],
    }),
  },
  {
    name: "an editor shares the fill of a visitor who asked for less",
    breaks: ["I9"],
    world: world("shared with a visitor", "", {
      prelude: started("w1"),
      actors: [{ name: "g1", program: flightWithEditor(q1, editA, { joinsAny: true }) }, w1],
    }),
  },
];
