import { expect, test } from "@jest/globals";
import { createPlainMemory } from "../../../dev/demo/plain-memory.ts";
import { changedIds, plainAnswer, plainInvalidate } from "../../../dev/demo/plain-worker.ts";

const computed = (response: string) => async () => ({ response, sources: ["article:42"], ttlSeconds: 60 });

test("the plain worker deletes what was built from a changed document", async () => {
  const store = createPlainMemory();
  expect(await plainAnswer(store, "price?", computed("€49"))).toEqual({ response: "€49", hit: false });
  expect(await plainAnswer(store, "price?", computed("€59"))).toEqual({ response: "€49", hit: true });
  expect(await plainInvalidate(store, "article:42")).toBe(1);
  expect(await plainInvalidate(store, "article:42")).toBe(0);
  expect(await plainAnswer(store, "price?", computed("€59"))).toEqual({ response: "€59", hit: false });
});

test("the plain worker stores an answer whose document changed while it was computed", async () => {
  const store = createPlainMemory();
  await plainAnswer(store, "price?", async () => {
    await plainInvalidate(store, "article:42");
    return { response: "€49", sources: ["article:42"], ttlSeconds: 60 };
  });
  expect(await plainAnswer(store, "price?", computed("€59"))).toEqual({ response: "€49", hit: true });
});

test.each([
  ['{"id": "a"}', ["a"]],
  ['{"ids": ["a", {"id": "b", "version": 3}]}', ["a", "b"]],
])("the changed documents of %s", (value, ids) => {
  expect(changedIds(value)).toEqual(ids);
});
