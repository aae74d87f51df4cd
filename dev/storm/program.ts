// What the processes of a storm have in common: a plan in a file, a history of their own, a few words with their parent.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ContestantName } from "./contestants/index.ts";
import { HistoryFile } from "./history.ts";
import type { Plan } from "./plan.ts";

/** What a parent says; each is answered with the same word when it is done. */
export type Word = "go" | "stop" | "last" | "end";

export interface Program {
  readonly plan: Plan;
  /** Which of the processes of this kind. */
  readonly index: number;
  readonly history: HistoryFile;
  count(by: ContestantName, what: string): void;
}

export function openProgram(kind: string): Program {
  const [file = "", number = "0"] = process.argv.slice(2);
  const plan: Plan = JSON.parse(readFileSync(file, "utf8"));
  const history = new HistoryFile(join(plan.folder, `${kind}-${number}.ndjson`));
  const counts = new Map<string, { by: ContestantName; what: string; times: number }>();
  process.on("exit", () => {
    for (const count of counts.values()) history.add({ kind: "count", ...count });
    history.close();
  });
  return {
    plan,
    index: Number(number),
    history,
    count: (by, what) => {
      const known = counts.get(`${by} ${what}`) ?? { by, what, times: 0 };
      known.times += 1;
      counts.set(`${by} ${what}`, known);
    },
  };
}

/** Says "ready", then does what it is told, one word after the other. Ends with its parent. */
export function obey(deeds: Readonly<Record<Word, () => Promise<void>>>): void {
  let last: Promise<void> = Promise.resolve();
  process.on("message", (word: Word) => {
    last = last
      .then(() => deeds[word]())
      .then(() => said(word))
      .then(() => {
        if (word === "end") process.exit();
      });
  });
  process.on("disconnect", () => process.exit(1));
  process.send?.("ready");
}

function said(word: Word): Promise<void> {
  return new Promise((resolve) => process.send?.(word, undefined, undefined, () => resolve()));
}
