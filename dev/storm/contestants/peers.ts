// Each peer as its documentation sets it up for a store that processes share, and through the call that it recommends. On
// Valkey alone: what lies in the memory of one process would need a bus, and be a comparison of buses.

import type { PeerModules } from "../../peers/modules.ts";
import type { Question } from "../plan.ts";
import type { Answer, Contestant, ContestantOptions } from "./contestant.ts";

type Open = (options: ContestantOptions, peers: PeerModules) => Contestant;

export const openBentocache: Open = ({ host, port, database }, { BentoCache, bentostore, redisDriver }) => {
  const driver = redisDriver({ connection: { host, port, db: database } });
  const cache = new BentoCache({ default: "one", stores: { one: bentostore().useL2Layer(driver) } });
  return {
    answer: ({ name, allDocuments }, fill) =>
      cache.getOrSet({ key: name, ttl: "1h", tags: allDocuments, factory: () => fill() }),
    invalidate: (documents) => cache.deleteByTag({ tags: documents }),
    close: () => cache.disconnectAll(),
  };
};

/** Its `getOrSet` takes no tags: `get` and `set`, as its chapter on tags does. */
export const openCacheable: Open = ({ host, port, database }, { Cacheable, Keyv, KeyvValkey }) => {
  const primary = new Keyv({ store: new KeyvValkey(`redis://${host}:${port}/${database}`) });
  const cache = new Cacheable({ tags: true, primary });
  return {
    answer: async ({ name, allDocuments }, fill) => {
      const kept = await cache.get<Answer>(name);
      if (kept !== undefined) return kept;
      const fresh = await fill();
      await cache.set(name, fresh, { ttl: "1h", tags: allDocuments });
      return fresh;
    },
    invalidate: (documents) => cache.tags.invalidateTags(documents),
    close: () => cache.disconnect(),
  };
};

/** References are kept for a minute unless one says longer, which it advises to. */
export const openAsyncCacheDedupe: Open = ({ host, port, database }, { asyncCacheDedupe, Redis }) => {
  interface Call {
    readonly question: Question;
    readonly fill: () => Promise<Answer>;
  }
  const client = new Redis({ host, port, db: database });
  const storage = { type: "redis", options: { client, invalidation: { referencesTTL: 3_600 } } };
  const cache = asyncCacheDedupe.createCache({ ttl: 3_600, storage });
  cache.define(
    "answer",
    {
      references: ({ question }: Call) => question.allDocuments,
      serialize: ({ question }: Call) => question.name,
    },
    ({ fill }: Call) => fill(),
  );
  return {
    answer: (question, fill) => answerOf(cache)({ question, fill }),
    invalidate: (documents) => cache.invalidateAll(documents),
    close: async () => client.disconnect(),
  };
};

/** `define` adds a method of the name that it is given. */
function answerOf(cache: object): (call: object) => Promise<Answer> {
  if (!("answer" in cache) || typeof cache.answer !== "function") throw new Error("Expected define() to add a method.");
  return cache.answer.bind(cache) as (call: object) => Promise<Answer>;
}

const schemaText = `
  type Document { id: ID! version: Int! }
  type Answer { says: String! from: Float! text: String! documents: [Document!]! }
  type Query { answer(name: String!): Answer! }
`;
const queryText = "query ($name: String!) { answer(name: $name) { says from text documents { id version } } }";

interface GraphqlAnswer {
  readonly says: string;
  readonly from: number;
  readonly text: string;
  readonly documents: readonly { readonly id: string; readonly version: number }[];
}

/** A plug-in of a GraphQL server: the answer is a query whose result names its documents. */
export const openEnvelop: Open = ({ host, port, database }, peers) => {
  const { Redis, createRedisCache, envelop, graphql, useEngine, useResponseCache, useSchema } = peers;
  const client = new Redis({ host, port, db: database });
  const cache = createRedisCache({ redis: client });
  const enveloped = envelop({
    plugins: [
      useEngine(graphql),
      useSchema(graphql.buildSchema(schemaText)),
      useResponseCache({ cache, session: () => null, ttl: 3_600_000 }),
    ],
  });
  const document = graphql.parse(queryText);
  return {
    answer: async ({ name }, fill) => {
      const { schema, contextFactory, execute } = enveloped({});
      const rootValue = { answer: () => fill().then(toGraphql) };
      const contextValue = await contextFactory({});
      const variableValues = { name };
      const { data, errors } = await execute({ schema, document, rootValue, contextValue, variableValues });
      const [error] = errors ?? [];
      if (error) throw error;
      return fromGraphql((data as { readonly answer: GraphqlAnswer }).answer);
    },
    invalidate: (documents) => cache.invalidate(documents.map((id) => ({ typename: "Document", id }))),
    close: async () => client.disconnect(),
  };
};

function toGraphql({ says, from, text, versions }: Answer): GraphqlAnswer {
  return { says, from, text, documents: Object.entries(versions).map(([id, version]) => ({ id, version })) };
}

function fromGraphql({ says, from, text, documents }: GraphqlAnswer): Answer {
  return { says, from, text, versions: Object.fromEntries(documents.map(({ id, version }) => [id, version])) };
}
