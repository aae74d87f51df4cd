import { type ActorMemory, type Content, isUnavailable, type Program } from "../step.ts";
import type { Question } from "../world.ts";
import { commit, type FillOptions, lookUp, readSources, type Work } from "./producer.ts";

/** Mistakes of whoever builds answers from cached answers (I9). */
export interface ComposerFlaws {
  /** The outer answer names its own sources only. */
  readonly forgetsInnerSources?: boolean;
  /** Keeps an answer although it is built from an answer that the fences of another bucket judge. */
  readonly cachesAcrossBuckets?: boolean;
  /** Looks the inner answer up before it takes its own lease. */
  readonly innerFirst?: boolean;
}

/** An answer built from a cached answer: the inner one is looked up, or filled, inside the fill of the outer one. */
export function compose(
  outer: Question,
  inner: Question,
  { flaws = {}, ...options }: { readonly flaws?: ComposerFlaws } & Omit<FillOptions, "flaws"> = {},
): (memory: ActorMemory) => Program {
  const ownSources = outer.sources.filter((source) => !inner.sources.includes(source));
  const kept = inner.bucket === outer.bucket || flaws.cachesAcrossBuckets === true;

  return function* program() {
    const early = flaws.innerFirst ? yield* innerAnswer(inner) : undefined;
    const found = yield* lookUp(outer, []);
    if (!found.lease) return;
    const answer = early ?? (yield* innerAnswer(inner));
    if (!answer) return;
    const content: Record<string, number> = { ...answer };
    const own = yield* readSources({ ...outer, sources: ownSources });
    for (const name in own) content[name] ??= own[name] ?? 0;
    if (!kept) return;
    const sources = flaws.forgetsInnerSources ? ownSources : outer.sources;
    yield* commit(outer, { content, lease: found.lease, sources, options });
  };
}

/** As `getOrSet` gives it: from the cache, or computed, whether or not it could be written. */
function* innerAnswer(question: Question): Work<Content | undefined> {
  const found = yield* lookUp(question, []);
  if (!found.lease) return found.content;
  const content = yield* readSources(question);
  const reply = yield* commit(question, { content, lease: found.lease });
  void isUnavailable(reply);
  return content;
}
