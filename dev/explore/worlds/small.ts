import { editor } from "../actors/editor.ts";
import { fill } from "../actors/producer.ts";
import { worker } from "../actors/worker.ts";
import type { World } from "../world.ts";
import { q1 } from "./parts.ts";

const plain = {
  machine: {},
  names: ["A", "@"],
  partitions: ["0"],
  questions: [q1],
  budgets: {},
  hazards: [],
  plainReaders: true,
} satisfies Partial<World>;

export const small: readonly World[] = [
  {
    ...plain,
    name: "basic",
    about: "two producers of one entry, one worker, two changes of one document",
    actors: [
      { name: "p1", program: fill(q1), memory: { tries: 2 } },
      { name: "p2", program: fill(q1), memory: { tries: 2 } },
      {
        name: "editor",
        program: editor([
          { partition: "0", documents: ["A"] },
          { partition: "0", documents: ["A"] },
        ]),
      },
      { name: "w1", program: worker({ partition: "0" }), service: true },
    ],
  },
];
