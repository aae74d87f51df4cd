// The same moment by chance, many times: a shop whose editors are busy while customers ask.
import { setTimeout as delay } from "node:timers/promises";
import { quote, type Writer } from "../../examples/answers/answers.ts";
import { now, type PricedPage, pricedPages } from "./editor.ts";
import { percentile } from "./judge.ts";
import { type Panes, type Side, sides } from "./panes.ts";
import type { Edit, Stage } from "./stage.ts";

export interface LoadOptions {
  readonly stage: Stage;
  readonly panes: Panes;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

interface Counts {
  asked: number;
  hits: number;
  stale: number;
}

export interface LoadResult {
  readonly edits: number;
  readonly counts: Readonly<Record<Side, Readonly<Counts>>>;
  /** Milliseconds from each save until the old answer was no longer served, by our side. */
  readonly unservable: readonly number[];
  /** Pages whose cached answer is wrong after everything was acknowledged. */
  readonly wrongAtEnd: Readonly<Record<Side, number>>;
}

const questionEveryMs = 12;
const probeEveryMs = 5;
const editors = 3;
const writingMs = { least: 150, most: 350 };

const between = (least: number, most: number) => least + Math.random() * (most - least);
const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(Math.random() * list.length)];

export async function playLoad({ stage, panes, seconds, signal }: LoadOptions): Promise<LoadResult> {
  const counts = { plain: { asked: 0, hits: 0, stale: 0 }, unstale: { asked: 0, hits: 0, stale: 0 } };
  const unservable: number[] = [];
  const until = now() + seconds * 1_000;
  let edits = 0;
  const inTime = () => now() < until && !signal.aborted;

  const write: Writer = async (question, passages) => {
    await delay(between(writingMs.least, writingMs.most));
    return quote(question, passages);
  };

  async function ask(side: Side, page: PricedPage): Promise<void> {
    const askedAt = now();
    const { text, hit } = await stage.ask(side, page.question, write);
    const count = counts[side];
    count.asked += 1;
    if (hit) count.hits += 1;
    if (stage.judge.judge(side, { page: page.id, answer: text, askedAt }) === "stale") count.stale += 1;
  }

  const unlessEnding = (error: unknown): void => {
    if (!signal.aborted) throw error;
  };

  async function customers(): Promise<void> {
    const waiting: Promise<void>[] = [];
    while (inTime()) {
      const page = pick(pricedPages);
      if (page) waiting.push(...sides.map((side) => ask(side, page).catch(unlessEnding)));
      await delay(questionEveryMs);
    }
    await Promise.all(waiting);
  }

  /** Many saves are followed by another one: the typo in the first. */
  async function editor(pages: readonly PricedPage[]): Promise<void> {
    while (inTime()) {
      const page = pick(pages);
      if (!page) return;
      for (let saves = Math.random() < 0.6 ? 2 : 1; saves > 0; saves--) {
        const edit = await changePrice(page);
        edits += 1;
        await edit.published;
        await delay(between(80, 250));
      }
      await delay(between(100, 500));
    }
  }

  async function changePrice(page: PricedPage): Promise<Edit> {
    // Never the same price twice, so that an answer tells which text it was built from.
    const price = `€${(Number((await stage.editor.priceOf(page)).slice(1)) + 0.1).toFixed(2)}`;
    const before = await stage.cached("unstale", page.question);
    const edit = await stage.edit(page, price);
    if (before !== undefined) void untilUnservable(edit, before).then((ms) => unservable.push(ms), ignore);
    return edit;
  }

  async function untilUnservable({ page, savedAt }: Edit, old: string): Promise<number> {
    while (!signal.aborted && (await stage.cached("unstale", page.question)) === old) await delay(probeEveryMs);
    return now() - savedAt;
  }

  const show = setInterval(() => {
    for (const side of sides) panes.watch(side, `${counts[side].hits} hits, ${counts[side].stale} of them stale`);
  }, 100);
  try {
    const share = Math.ceil(pricedPages.length / editors);
    const theirs = Array.from({ length: editors }, (_, at) => pricedPages.slice(at * share, (at + 1) * share));
    await Promise.all([customers(), ...theirs.map(editor)]);
  } finally {
    clearInterval(show);
    for (const side of sides) panes.watch(side, undefined);
  }
  await everythingAcknowledged(stage);
  return { edits, counts, unservable, wrongAtEnd: await countWrongPages(stage) };
}

async function everythingAcknowledged(stage: Stage): Promise<void> {
  const deadline = now() + 5_000;
  while (!stage.judge.settled() && now() < deadline) await delay(20);
}

async function countWrongPages(stage: Stage): Promise<Record<Side, number>> {
  const wrong = { plain: 0, unstale: 0 };
  for (const side of sides) {
    for (const page of pricedPages) {
      const answer = await stage.cached(side, page.question);
      if (answer !== undefined && !answer.includes(await stage.editor.priceOf(page))) wrong[side] += 1;
    }
  }
  return wrong;
}

export function tellResult({ panes, result }: { readonly panes: Panes; readonly result: LoadResult }): void {
  const { edits, counts, unservable, wrongAtEnd } = result;
  for (const side of sides) {
    const { asked, hits, stale } = counts[side];
    const tone = stale > 0 ? "bad" : "good";
    panes.tell(side, `${asked} questions, ${hits} hits`);
    panes.tell(side, `${stale} stale answers`, tone);
    panes.tell(side, `${wrongAtEnd[side]} of ${pricedPages.length} pages still answered wrong`, tone);
  }
  const p = (share: number) => `${percentile(unservable, share).toFixed(0)} ms`;
  panes.say();
  panes.say(
    `In this run: ${edits} edits; hits ${counts.plain.hits} plain, ${counts.unstale.hits} unstale; stale ` +
      `${counts.plain.stale} plain, ${counts.unstale.stale} unstale; edit → unservable p50 ${p(0.5)}, p99 ${p(0.99)}.`,
    "strong",
  );
  panes.say(
    "Stale: answered from an old text though the change had been acknowledged before the question. Edit → unservable: " +
      `from the save on disk until unstale no longer served the old answer, measured ${unservable.length} times; 20 ms of ` +
      "it are the publisher's wait for the editor.",
    "dim",
  );
}

/** A probe that fails, fails because everything is being closed. */
function ignore(): void {}
