import { type CacheStore, createValkeyStore, SmartCache } from "@unstale/cache-core";
import type { Question } from "../plan.ts";
import type { Answer, Contestant, ContestantOptions } from "./contestant.ts";

export function openUnstale(options: ContestantOptions): Contestant {
  return withStore(createValkeyStore({ valkey: urlOf(options) }), options);
}

/**
 * Ours with its heart cut out, so that the judge has something to find: each commit gets a lease of its own, as a cache would
 * that stamps an entry when it writes it. Nothing that changed while the answer was computed is noticed.
 */
export function openMistaken(options: ContestantOptions): Contestant {
  const store = createValkeyStore({ valkey: urlOf(options) });
  return withStore(
    {
      ...store,
      commit: async (request) => {
        for (;;) {
          const opened = await store.open(request);
          if (opened.kind !== "open") return { kind: "refused", reason: "format" };
          const reply = await store.commit({ ...request, lease: opened.snapshot });
          if (reply.kind === "written" || reply.reason !== "changed") return reply;
        }
      },
    },
    options,
  );
}

function urlOf({ host, port, database }: ContestantOptions): string {
  return `redis://${host}:${port}/${database}`;
}

function withStore(store: CacheStore, { onCount }: ContestantOptions): Contestant {
  const cache = new SmartCache({
    store,
    onRefusal: ({ reason }) => onCount(`refused: ${reason}`),
    onWarning: ({ code }) => onCount(`warning: ${code}`),
  });
  return {
    answer: (question, fill) =>
      question.through === "getOrSet" ? getOrSet(cache, question, fill) : getAndSet(cache, question, fill),
    close: async () => {
      await cache.close();
      await store.close();
    },
  };
}

async function getOrSet(cache: SmartCache, question: Question, fill: () => Promise<Answer>): Promise<Answer> {
  const { response } = await cache.getOrSet(
    question.name,
    async (context) => {
      const answer = await fill();
      // Those of its parts are inherited.
      context.dependsOn(question.documents);
      return answer;
    },
    { namespace: question.namespace },
  );
  return response;
}

async function getAndSet(cache: SmartCache, question: Question, fill: () => Promise<Answer>): Promise<Answer> {
  const { name, namespace, allDocuments } = question;
  const found = await cache.get<Answer | string>(name, { namespace });
  // The plain schema has no codecs: what another program wrote is text.
  if (found.hit) return typeof found.response === "string" ? JSON.parse(found.response) : found.response;
  const answer = await fill();
  if (question.through === "get") return answer;
  await cache.set(name, answer, { namespace, sources: allDocuments, lease: found.lease });
  return answer;
}
