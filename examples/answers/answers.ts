import type { SmartCache } from "@unstale/cache-core";
import { type Passage, search } from "./search.ts";
import { type ContentClass, contentClasses, readSite } from "./site.ts";

export interface AnswersOptions {
  readonly cache: SmartCache;
  /** Folder of Markdown pages. */
  readonly folder: string;
  /** Makes an answer of the passages found. A language model would sit here; without one they are quoted. */
  readonly write?: Writer;
}

export type Writer = (question: string, passages: readonly Passage[]) => string | Promise<string>;

/** Answers questions from the pages of a site, and keeps each answer until a page it was built from changes. */
export function createAnswers({ cache, folder, write = quote }: AnswersOptions) {
  return {
    /** `after`: a change that the answer must know of, as the publisher told it. */
    ask(question: string, { namespace, after }: { readonly namespace?: string; readonly after?: string } = {}) {
      return cache.getOrSet(
        question,
        async (context) => {
          const draft = await draftAnswer({ folder, question, write, ...(namespace && { namespace }) });
          context.dependsOn(draft.sources);
          context.setTtl(draft.contentClass);
          return draft.response;
        },
        { namespace, after },
      );
    },
  };
}

export interface Draft {
  readonly response: string;
  readonly sources: readonly string[];
  readonly contentClass: ContentClass;
}

export interface DraftOptions {
  readonly folder: string;
  readonly question: string;
  readonly write: Writer;
  /** Only pages below this namespace. */
  readonly namespace?: string;
}

/** Reads the site and answers, without any cache. */
export async function draftAnswer({ folder, question, write, namespace = "" }: DraftOptions): Promise<Draft> {
  const pages = await readSite(folder);
  const inside = pages.filter((page) => `${page.namespace}:`.startsWith(namespace && `${namespace}:`));
  const passages = search(inside, question);
  const response = await write(question, passages);
  const used = passages.map(({ page }) => page);
  return {
    response,
    // The list of pages is a source as well: a new page may have the better answer.
    sources: [...used.map(({ id }) => id), "list:pages"],
    // Kept only as long as the most volatile of its pages allows.
    contentClass: contentClasses.findLast((name) => used.some((page) => page.contentClass === name)) ?? "real-time",
  };
}

export function quote(_question: string, passages: readonly Passage[]): string {
  if (passages.length === 0) return "I found nothing about that.";
  return passages.map(({ page, sentence }) => `${sentence} [${page.title}]`).join(" ");
}
