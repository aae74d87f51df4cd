import { createKeys, defaultLayout } from "@unstale/cache-core";
import type { ActorSpec } from "../actor.ts";
import { editor } from "../actors/editor.ts";
import { type FillOptions, fill } from "../actors/producer.ts";
import { type WorkerOptions, worker } from "../actors/worker.ts";
import type { PublishStep } from "../step.ts";
import type { Question, World } from "../world.ts";

/** Depends on A alone. */
export const q1: Question = { bucket: 0, query: "q1", sources: ["A"] };
/** Depends on A and B. */
export const q2: Question = { bucket: 0, query: "q2", sources: ["A", "B"] };

const standalone = createKeys(defaultLayout);

/** Where programs of the plain schema look: under the global version, or under none. */
export function keyOf(question: Question, versions: readonly string[]): string {
  if (versions.length > 0) return standalone.entry(question, question.query, versions);
  return standalone.entry(question, question.query, ["0"]).replace(/v0:/, "");
}

export const longest = 2 * 3_600_000;

/** One document, one partition, one entry; TTLs of hours. */
export function world(name: string, about: string, rest: Partial<World> & Pick<World, "actors">): World {
  return {
    name,
    about,
    names: ["A", "@"],
    partitions: ["0"],
    questions: [q1],
    budgets: {},
    hazards: [],
    plainReaders: true,
    ...rest,
    machine: {
      layout: { dependencyPrefixes: ["doc_deps:"] },
      ...rest.machine,
      policy: { maxTtlMs: longest, foreignTtlMs: longest, ...rest.machine?.policy },
    },
  };
}

interface ProducerOptions extends FillOptions, Pick<ActorSpec, "lossy"> {
  readonly tries?: number;
}

export function producer(name: string, question: Question, options: ProducerOptions = {}): ActorSpec {
  const { tries = 1, lossy = false, ...rest } = options;
  return { name, program: fill(question, rest), memory: { tries }, lossy };
}

export function serviceWorker(
  name: string,
  options: Partial<WorkerOptions> & Pick<ActorSpec, "lossy" | "mortal"> = {},
): ActorSpec {
  const { lossy, mortal, ...rest } = options;
  return {
    name,
    program: worker({ partition: "0", ...rest }),
    service: true,
    ...(lossy === undefined ? {} : { lossy }),
    ...(mortal === undefined ? {} : { mortal }),
  };
}

/** Each is one change: of a document, or (`@docs`) of a namespace. */
export function edits(...changes: readonly string[]): ActorSpec {
  return editsOf("0", changes);
}

export function editsOf(partition: string, changes: readonly string[], name = "editor"): ActorSpec {
  const published = changes.map((change): Omit<PublishStep, "do"> => {
    return change.startsWith("@") ? { partition, namespaces: [change.slice(1)] } : { partition, documents: [change] };
  });
  return { name, program: editor(published) };
}

/** The worker's first moves, made beforehand: it asks what was applied, decides, writes its account, waits for a replica. */
export function started(...names: readonly string[]): readonly string[] {
  return names.flatMap((name) => [name, name, name, name]);
}
