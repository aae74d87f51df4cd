import type { ActorMemory, Fetched, History, Program, RawCommand, Reply, Step } from "../step.ts";
import { raw } from "../step.ts";
import type { Question } from "../world.ts";
import { entryTtlMs, readSources } from "./producer.ts";

type Work<T = void> = Generator<Step, T, Reply>;

export interface ForeignOptions {
  /** Where its process looks for keys. Must be the layout of the world. */
  readonly keyOf: (question: Question, versions: readonly string[]) => string;
  readonly setOf: (document: string) => string;
  /** Lists the entry before it writes it. */
  readonly tagsFirst?: boolean;
  /** Its keys carry no version (in namespaces of the plain schema). */
  readonly unversioned?: boolean;
  /** What it writes as `sources`, in place of a clean array (H15). */
  readonly sourcesField?: string;
  /** Only lists an entry again that it wrote, or met, long ago. */
  readonly listsOnly?: boolean;
}

export const plainKeys: Pick<ForeignOptions, "setOf"> = { setOf: (document) => `doc_deps:${document}` };

/** A program of the plain schema: one command after the other, nothing atomic, no lease. */
export function foreignFill(question: Question, options: ForeignOptions): (memory: ActorMemory) => Program {
  return function* program() {
    const version = options.unversioned ? undefined : yield* raw({ name: "GET", key: "cache:version" });
    if (!options.unversioned && typeof version !== "string") return;
    const key = options.keyOf(question, version === undefined ? [] : [String(version)]);
    if (options.listsOnly) return yield* list(question, options, key);
    const content = yield* readSources(question);
    if (options.tagsFirst) yield* list(question, options, key);
    const fields = {
      query: question.query,
      response: JSON.stringify(content),
      sources: options.sourcesField ?? JSON.stringify(question.sources),
    };
    yield* raw({ name: "HSET", key, fields });
    yield* raw({ name: "PEXPIRE", key, ms: entryTtlMs });
    if (!options.tagsFirst) yield* list(question, options, key);
  };
}

function* list({ sources }: Question, { setOf }: ForeignOptions, key: string): Work {
  for (const document of sources) yield* raw({ name: "SADD", key: setOf(document), member: key });
}

/** The worker that everybody writes first: SMEMBERS, DEL the members, DEL the set. Not ours, and on no log of ours. */
export function foreignWorker(documents: readonly string[], { setOf }: Pick<ForeignOptions, "setOf">): () => Program {
  return function* program() {
    for (const document of documents) yield* takeNaively(setOf(document));
  };
}

function* takeNaively(set: string): Work {
  const members = (yield* raw({ name: "SMEMBERS", key: set })) as readonly string[];
  if (members.length > 0) yield* raw({ name: "DEL", keys: members });
  yield* raw({ name: "DEL", keys: [set] });
}

/** The same on the log, in our worker's place. */
export function naiveWorker(
  partition: string,
  { setOf }: Pick<ForeignOptions, "setOf">,
): (memory: ActorMemory) => Program {
  return function* program(memory) {
    let position = memory.position as number | undefined;
    if (position === undefined) {
      const history = (yield { do: "history", partition }) as History;
      position = history.committed ?? history.low;
    }
    const { events } = (yield { do: "fetch", partition, from: position, most: 2, epoch: 0 }) as Fetched;
    for (const { documents } of events) for (const { id } of documents) yield* takeNaively(setOf(id));
    const offset = (events.at(-1)?.offset ?? position - 1) + 1;
    yield { do: "acknowledge", partition, offset };
    yield { do: "become", state: { position: offset } };
  };
}

/** Commands of somebody who does not know better, one after the other. */
export function meddler(commands: readonly RawCommand[]): () => Program {
  return function* program() {
    for (const command of commands) yield* raw(command);
  };
}
