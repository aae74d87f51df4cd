import {
  type ActorMemory,
  call,
  type History,
  insist,
  isUnavailable,
  type Program,
  type PublishStep,
} from "../step.ts";
import type { Question } from "../world.ts";
import { commit, lookUp, readSources, type Work } from "./producer.ts";
import { topic } from "./repairs.ts";

/** What readers of bounded staleness put up with here. */
export const maxStalenessMs = 5_000;

/** Reads again and again, and puts up with nothing older. */
export function boundedVisitor(question: Question, times: number): (memory: ActorMemory) => Program {
  return function* program() {
    for (let reads = 0; reads < times; reads += 1) yield* lookUp(question, [], { after: [], maxStalenessMs });
  };
}

/** Makes a change, and then looks at what it changed, naming its record. */
export function editorWhoLooks(question: Question, edit: Omit<PublishStep, "do">): (memory: ActorMemory) => Program {
  return function* program() {
    const { offset } = (yield { do: "publish", ...edit }) as { readonly offset: number };
    const after = [{ topic, partition: Number(edit.partition), offset }];
    for (let reads = 0; reads < 3; reads += 1) yield* lookUp(question, [], { after });
  };
}

/** Mistakes of a worker that confirms; each must be found out. */
export interface ConfirmerFlaws {
  /** Asks for the ends of the logs, and then for the moment. */
  readonly asksEndsFirst?: boolean;
  /** Counts only the partitions that it owns. */
  readonly ignoresOthers?: boolean;
}

export interface ConfirmerOptions {
  readonly partitions: readonly string[];
  readonly rounds: number;
  readonly flaws?: ConfirmerFlaws;
}

/** What `worker/freshness` does, step by step. */
export function confirmer({ partitions: all, rounds, flaws = {} }: ConfirmerOptions): (memory: ActorMemory) => Program {
  const counted = flaws.ignoresOthers ? all.slice(0, 1) : all;
  const partitions = counted.map((partition) => ({ topic, partition: Number(partition) }));

  function* endsOf(): Work<number[]> {
    const ends: number[] = [];
    for (const partition of counted) ends.push(((yield { do: "history", partition }) as History).end);
    return ends;
  }

  return function* program(memory) {
    const { left = rounds } = memory as { readonly left?: number };
    if (left === 0) return;
    const early = flaws.asksEndsFirst ? yield* endsOf() : undefined;
    const asked = yield* insist("confirm", { bucket: 0, partitions });
    if (asked.kind === "standing") {
      const ends = early ?? (yield* endsOf());
      const isStrange = ends.some((end, index) => (asked.applied[index] ?? 0) > end);
      if (!isStrange) yield* call("confirm", { bucket: 0, partitions, claim: { moment: asked.moment, ends } });
    }
    yield { do: "become", state: { left: left - 1 } };
  };
}

/**
 * `getOrSet` of a visitor, and of an editor who comes while it fills. The editor shares nothing with who asked for less;
 * (flawed) it takes the visitor's answer as soon as that is written.
 */
export function flightWithEditor(
  question: Question,
  edit: Omit<PublishStep, "do">,
  flaws: { readonly joinsAny?: boolean } = {},
): (memory: ActorMemory) => Program {
  return function* program() {
    const found = yield* lookUp(question, []);
    if (!found.lease) return;
    const content = yield* readSources(question);
    const { change, offset } = (yield { do: "publish", ...edit }) as {
      readonly change: number;
      readonly offset: number;
    };
    const reply = yield* commit(question, { content, lease: found.lease });
    const demanded = 1 << change;
    if (flaws.joinsAny && !isUnavailable(reply) && reply.kind === "written") {
      yield { do: "serve", content, promised: 0, demanded };
      return;
    }
    const after = [{ topic, partition: Number(edit.partition), offset }];
    const own = yield* lookUp(question, [], { after });
    const answer = own.content ?? (yield* readSources(question));
    yield { do: "serve", content: answer, promised: 0, demanded };
  };
}
