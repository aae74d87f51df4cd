import { editor } from "../actors/editor.ts";
import { foreignFill, naiveWorker, plainKeys } from "../actors/foreign.ts";
import type { World } from "../world.ts";
import { keyOf, q1 } from "./parts.ts";

/** What everybody writes first, and what it comes to: never part of a clean run. */
export const naive: World = {
  name: "naive",
  about: "HSET, EXPIRE, SADD against SMEMBERS, DEL, DEL: must be convicted",
  machine: {},
  names: ["A", "@"],
  partitions: ["0"],
  questions: [q1],
  budgets: {},
  hazards: [],
  plainReaders: true,
  unexcused: true,
  seeds: [{ name: "SET", key: "cache:version", text: "1" }],
  actors: [
    { name: "p1", program: foreignFill(q1, { ...plainKeys, keyOf }) },
    { name: "editor", program: editor([{ partition: "0", documents: ["A"] }]) },
    { name: "w1", program: naiveWorker("0", plainKeys), service: true },
  ],
};
