import { expect, test } from "@jest/globals";
import type { Subscription } from "../../../consumers/change-event.ts";
import { createSubscriptions, deadLetterTopic } from "../../../consumers/subscriptions.ts";
import { sourceRecord } from "../../support/source-records.ts";

const usual: Subscription = { topic: "cms.documents", format: "json", wide: false };

test("topics, their settings and their decoder", () => {
  const subscriptions = createSubscriptions([usual, { ...usual, topic: "shop", id: "{type}:{id}" }]);
  expect(subscriptions.topics).toEqual(["cms.documents", "shop"]);
  expect(subscriptions.get("shop")?.id).toBe("{type}:{id}");
  expect(subscriptions.get("other")).toBeUndefined();
  expect(subscriptions.decode(sourceRecord({ topic: "shop", value: { type: "$&", id: "{type}" } }))).toEqual({
    kind: "changes",
    changes: [{ kind: "document", id: "$&:{type}" }],
  });
});

test("a record of a topic that nobody subscribed is a failure, not an exception", () => {
  const subscriptions = createSubscriptions([usual]);
  expect(subscriptions.decode(sourceRecord({ topic: "other" }))).toMatchObject({ reason: "decoder-error" });
});

test.each<[string, Partial<Subscription>, RegExp]>([
  ["a name that Kafka refuses", { topic: "a b" }, /expected letters, digits/],
  ["an empty name", { topic: "" }, /expected letters, digits/],
  ["no room for the dead letters' suffix", { topic: "a".repeat(246) }, /at most 245 characters/],
  ["a dead-letter topic", { topic: "cms.documents.dlq" }, /cannot be read as a source/],
  ["a format that nobody knows", { format: "xml" as "json" }, /expected a format of json, got "xml"/],
  ["a template without id", { id: "{type}" }, /has no "\{id\}"/],
  ["a template with something unknown", { id: "{kind}:{id}" }, /has "\{kind\}"; known are/],
  ["a template with a stray brace", { id: "{id}}" }, /has "\}"/],
  ["a template that starts with a space", { id: " {id}" }, /starts with a space/],
])("refused: %s", (_, part, problem) => {
  expect(() => createSubscriptions([{ ...usual, ...part }])).toThrow(problem);
});

test("all problems are told at once", () => {
  const list = [usual, usual, { ...usual, topic: "a b", id: "x" }];
  expect(() => createSubscriptions(list)).toThrow(/named twice[\s\S]*expected letters[\s\S]*has no/);
  expect(() => createSubscriptions([])).toThrow(/at least one/);
});

test("dead letters have a topic of their own", () => {
  expect(deadLetterTopic("cms.documents")).toBe("cms.documents.dlq");
});
