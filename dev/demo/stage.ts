// The stage: a copy of the example site that an editor writes to, the publisher that watches it, and two sides that
// answer the same questions and hear of the same changes.
import { EventEmitter, once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Refusal } from "@unstale/cache-core";
import { createAnswers, draftAnswer, quote, type Writer } from "../../examples/answers/answers.ts";
import { type Published, startPublisher } from "../../examples/publisher/publisher.ts";
import type { Backend, BackendEvents } from "./backend.ts";
import type { Cleanup } from "./cleanup.ts";
import { type Editor, now, openEditor, type PricedPage, pricedPages } from "./editor.ts";
import { createJudge, type Judge } from "./judge.ts";
import { type Side, sides } from "./panes.ts";
import { plainAnswer, plainKey } from "./plain-worker.ts";

export interface Reply {
  readonly text: string;
  readonly hit: boolean;
}

export interface Edit {
  readonly page: PricedPage;
  readonly price: string;
  readonly savedAt: number;
  readonly published: Promise<Published>;
}

type AppliedEdit = Pick<Edit, "savedAt"> & { readonly page: Pick<PricedPage, "id"> };

export interface Stage {
  readonly backend: Backend;
  readonly editor: Editor;
  readonly judge: Judge;
  ask(side: Side, question: string, write: Writer): Promise<Reply>;
  /** What a side would answer from its cache now; `undefined` when it would have to compute. */
  cached(side: Side, question: string): Promise<string | undefined>;
  edit(page: PricedPage, price: string): Promise<Edit>;
  /** Resolves when a side has heard of an edit and dealt with it. */
  applied(side: Side, edit: AppliedEdit): Promise<{ readonly at: number }>;
  /** The next answer that our side refuses to store. */
  nextRefusal(): Promise<Refusal>;
}

export interface StageOptions {
  readonly site: string;
  readonly cleanup: Cleanup;
  readonly openBackend: (events: BackendEvents) => Promise<Backend>;
}

const ttlSeconds = { static: 86_400, documentation: 21_600, user: 3_600, "real-time": 60 };

export async function openStage({ site, cleanup, openBackend }: StageOptions): Promise<Stage> {
  const judge = createJudge();
  const happenings = new EventEmitter();
  happenings.setMaxListeners(0);
  const editor = openEditor({ site });
  cleanup.add("site", () => editor.close());
  const { folder } = editor;
  for (const page of pricedPages) judge.saved(page.id, await editor.priceOf(page), now());

  const backend = await openBackend({
    onCommitted: judge.committed,
    onPlainInvalidated: (id) => void happenings.emit(`plain ${id}`, { at: now() }),
    onRefused: (refusal) => void happenings.emit("refused", refusal),
  });
  const publisher = await startPublisher({
    folder,
    send: backend.send,
    onPublished: (published) => {
      judge.published(published.change.id, published.position);
      happenings.emit(`published ${published.change.id}`, published);
    },
  });
  cleanup.add("publisher", () => publisher.close());

  const first = async <T>(name: string): Promise<T> => (await once(happenings, name))[0];
  const applied: Stage["applied"] = async (side, { page, savedAt }) => {
    if (side === "plain") return first(`plain ${page.id}`);
    for (;;) {
      const at = await backend.changedAt(page.id);
      if (at !== undefined && at >= savedAt) return { at };
      await nextTurn();
    }
  };
  // The first event and the first answer take longer than all others, on both sides.
  const warmUp = { page: { id: "warm-up" }, savedAt: now() };
  const warm = Promise.all(sides.map((side) => applied(side, warmUp)));
  await backend.send({ key: "warm-up", value: JSON.stringify({ id: "warm-up" }), headers: {} });
  await draftAnswer({ folder, question: "warm up", write: quote });
  await warm;

  const ask: Record<Side, Stage["ask"]> = {
    async unstale(_side, question, write) {
      const { response, status } = await createAnswers({ cache: backend.cache, folder, write }).ask(question);
      return { text: response, hit: status === "hit" };
    },
    async plain(_side, question, write) {
      const { response, hit } = await plainAnswer(backend.plainStore, question, async () => {
        const draft = await draftAnswer({ folder, question, write });
        return { ...draft, ttlSeconds: ttlSeconds[draft.contentClass] };
      });
      return { text: response, hit };
    },
  };

  return {
    backend,
    editor,
    judge,
    ask: (side, question, write) => ask[side](side, question, write),
    async cached(side, question) {
      if (side === "plain") return (await backend.plainStore.hget(plainKey(question), "response")) ?? undefined;
      const found = await backend.cache.get(question);
      return found.hit ? String(found.response) : undefined;
    },
    async edit(page, price) {
      const published = first<Published>(`published ${page.id}`);
      const savedAt = await editor.setPrice(page, price);
      judge.saved(page.id, price, savedAt);
      return { page, price, savedAt, published };
    },
    applied,
    nextRefusal: () => first("refused"),
  };
}
