import { type ActorMemory, insist, type Program, type Reply, type Step } from "../step.ts";
import type { Question } from "../world.ts";
import { commit, lookUp, readSources } from "./producer.ts";

/** Reads the same entry again and again, with the versions that it knows, and writes nothing. */
export function visitor(question: Question, times: number): (memory: ActorMemory) => Program {
  const { bucket, namespace, query } = question;
  return function* program() {
    let versions: readonly string[] = [];
    for (let reads = 0; reads < times; reads += 1) {
      const reply = yield* insist("read", { bucket, namespace, query, versions });
      if (reply.kind === "moved") versions = reply.versions;
    }
  };
}

/** Mistakes of single-flight (I9). */
export interface FlightFlaws {
  /** Whoever joined while the fill ran takes its answer, though the write was refused. */
  readonly takesRefused?: boolean;
  /** Whoever comes after the commit was sent takes its answer. */
  readonly joinsLate?: boolean;
}

interface Turn {
  readonly chose: "go" | "join";
  readonly reply: { readonly promised: number };
}

/** The joiner comes now, or not yet. */
function* arrival(): Generator<Step, number | undefined, Reply> {
  const { chose, reply } = (yield { do: "either", options: { go: { do: "ask" }, join: { do: "ask" } } }) as Turn;
  return chose === "join" ? reply.promised : undefined;
}

/**
 * `getOrSet` with a joiner, who may come at any moment: before the sources are read, after that, and (flawed) after the
 * commit was sent. Who takes what is as `cache-core/single-flight` says.
 */
export function flight(question: Question, flaws: FlightFlaws = {}): (memory: ActorMemory) => Program {
  return function* program() {
    const found = yield* lookUp(question, []);
    if (!found.lease) return;
    const early = yield* arrival();
    const content = yield* readSources(question);
    const meanwhile = early ?? (yield* arrival());
    const reply = yield* commit(question, { content, lease: found.lease });
    const late = flaws.joinsLate ? yield* arrival() : undefined;
    const promised = meanwhile ?? late;
    const mayTake = early !== undefined || reply.kind === "written" || flaws.takesRefused;
    if (promised !== undefined && mayTake) yield { do: "serve", content, promised };
  };
}
