import type { ActorMemory, Program, PublishStep } from "../step.ts";

/** Changes documents at the source, one after the other; each change becomes an event. */
export function editor(edits: readonly Omit<PublishStep, "do">[]): (memory: ActorMemory) => Program {
  return function* program() {
    for (const edit of edits) yield { do: "publish", ...edit };
  };
}
