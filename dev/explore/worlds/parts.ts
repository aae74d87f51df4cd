import { createKeys, defaultLayout } from "@unstale/cache-core";
import type { Question } from "../world.ts";

export const q1: Question = { bucket: 0, query: "q1", sources: ["A"] };

const standalone = createKeys(defaultLayout);

/** Where programs of the plain schema look: under the global version, or under none. */
export function keyOf(question: Question, versions: readonly string[]): string {
  if (versions.length > 0) return standalone.entry(question, question.query, versions);
  return standalone.entry(question, question.query, ["0"]).replace(/v0:/, "");
}
