import { createKeys, createMemoryStore, defaultLayout } from "@unstale/cache-core";
import { anyText, anyValue, damaged } from "./generate.ts";
import { expect, type Target } from "./targets.ts";

/** What other programs may have left in the field `sources` (and `lease`) of an entry, read as a producer reads it. */
export function storedSources(): Target {
  const store = createMemoryStore();
  const keys = createKeys(defaultLayout);
  const query = "question";
  const scope = { bucket: 0 };
  return {
    name: "stored sources",
    make: (chance) => {
      const sources = chance.below(4) === 0 ? anyValue(chance) : chance.list(4, () => anyText(chance));
      return damaged(chance, Buffer.from(JSON.stringify(sources)));
    },
    play: async (input) => {
      const sources = input.toString("utf8");
      const opened = await store.open(scope);
      if (opened.kind !== "open") throw new Error(`open: ${opened.kind}`);
      const { versions } = opened.snapshot;
      const key = keys.entry(scope, query, versions);
      const listed = idsIn(sources).map((id) => keys.dependencySets(0, id)[0] ?? "");
      store.keyspace.hset(key, { query, response: "answer", sources, ...(input[1] === 0 ? { lease: sources } : {}) });
      for (const set of listed) store.keyspace.sadd(set, key);
      const reply = await store.read({ ...scope, query, versions });
      store.keyspace.del(key, ...listed);
      if (reply.kind !== "hit") return reply.kind;
      expect(
        reply.sources.every((id) => id !== "" && !id.startsWith(" ")),
        "a hit names a source that is none",
      );
      return reply.sources.length === 0 ? "hit without sources" : "hit";
    },
  };
}

/** Those a foreign program would have listed the entry under. */
function idsIn(sources: string): string[] {
  try {
    const list: unknown = JSON.parse(sources);
    return Array.isArray(list)
      ? list.filter((one) => typeof one === "string" || typeof one === "number").map(String)
      : [];
  } catch {
    return [];
  }
}
