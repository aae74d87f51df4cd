import type { Page } from "./site.ts";

/** A sentence that helps to answer a question, and the page it was taken from. */
export interface Passage {
  readonly page: Page;
  readonly sentence: string;
}

const stopWords = new Set(
  "a about an and any are as at be by can do does for from have how i in is it long me much my of on or our the this to was what when where which who with you your".split(
    " ",
  ),
);
// A title says what a page is about, so its words count more than once.
const titleWeight = 4;
// The usual constants of BM25: how fast repetition saturates, and how much long pages are held back.
const saturation = 1.2;
const lengthPenalty = 0.75;

export function words(text: string): string[] {
  return (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])
    .filter((word) => !stopWords.has(word))
    .map((word) => (word.length > 3 ? word.replace(/(?:ing|e?s|ed)$/, "") : word));
}

/** BM25 over whole pages for the best two, then the sentences of those that share most with the question. */
export function search(pages: readonly Page[], question: string, limit = 2): Passage[] {
  const asked = [...new Set(words(question))];
  const indexed = pages.map((page) => ({
    page,
    terms: [...Array<string>(titleWeight).fill(page.title).flatMap(words), ...words(page.text)],
  }));
  const averageLength = indexed.reduce((sum, { terms }) => sum + terms.length, 0) / Math.max(indexed.length, 1);
  const rarity = new Map(
    asked.map((word) => {
      const matching = indexed.filter(({ terms }) => terms.includes(word)).length;
      return [word, Math.log(1 + (indexed.length - matching + 0.5) / (matching + 0.5))];
    }),
  );
  const scored = indexed.map(({ page, terms }) => {
    const penalty = saturation * (1 - lengthPenalty + (lengthPenalty * terms.length) / averageLength);
    const score = asked.reduce((sum, word) => {
      const count = terms.filter((term) => term === word).length;
      return sum + ((rarity.get(word) ?? 0) * count * (saturation + 1)) / (count + penalty);
    }, 0);
    return { page, score };
  });
  const [best, ...others] = scored.filter(({ score }) => score > 0).sort((one, other) => other.score - one.score);
  if (!best) return [];
  // A page that matches far worse than the best one would only add noise.
  const used = [best, ...others.filter(({ score }) => score > best.score / 2)].slice(0, limit);
  return used.map(({ page }) => ({ page, sentence: bestSentence(page, rarity) }));
}

function bestSentence(page: Page, rarity: ReadonlyMap<string, number>): string {
  const title = new Set(words(page.title));
  const sentences = page.text
    .replace(/^#.*$/gm, "")
    .replaceAll(/\s+/g, " ")
    .trim()
    .split(/(?<=[.!?])\s+(?=\p{Lu})/u);
  const scored = sentences.map((sentence) => {
    const score = [...new Set(words(sentence))].reduce(
      // The title's words say that the page is right; the others say which of its sentences is.
      (sum, word) => sum + (rarity.get(word) ?? 0) * (title.has(word) ? 0.5 : 1),
      0,
    );
    return { sentence, score };
  });
  return scored.reduce((best, next) => (next.score > best.score ? next : best)).sentence;
}
