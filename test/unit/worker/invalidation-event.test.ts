import { describe, expect, test } from "@jest/globals";
import type { TopicSetting } from "../../../config/index.ts";
import { createSubscriptions } from "../../../consumers/index.ts";
import { chooseTopic, eventsOf } from "../../../worker/commands/invalidation-event.ts";

const plain: TopicSetting = { name: "plain", format: "json", wide: false, onGap: "invalidate" };
const wide: TopicSetting = { name: "wide", format: "json", wide: true, onGap: "invalidate" };
const nothing = { documents: [], namespaces: [], all: false };

describe("the topic of an invalidation by hand", () => {
  test("is the first that may carry it", () => {
    expect(chooseTopic([plain, wide], { ...nothing, documents: ["a"] }, undefined)).toBe(plain);
    expect(chooseTopic([plain, wide], { ...nothing, all: true }, undefined)).toBe(wide);
    expect(chooseTopic([plain, wide], { ...nothing, documents: ["a"] }, "wide")).toBe(wide);
  });

  test.each([
    [[plain], undefined, "UNSTALE_NOT_WIDE", "--direct"],
    [[plain, wide], "plain", "UNSTALE_NOT_WIDE", "plain is not"],
    [[plain, wide], "other", "UNSTALE_USAGE", "plain, wide"],
  ])("cannot be %j with --topic %s", (topics, named, code, text) => {
    const choose = (): unknown => chooseTopic(topics, { ...nothing, namespaces: ["docs"] }, named);
    expect(choose).toThrow(expect.objectContaining({ code, message: expect.stringContaining(text) }));
  });
});

describe("its events", () => {
  const at = "2026-11-23T10:00:00.000Z";

  test.each([
    [undefined, "article:42"],
    ["{type}:{id}", "article:42"],
    ["{type}:{id}", "article:42:en"],
    ["cms/{type}/{id}", "cms/article/4/2"],
    ["doc.{id}+", "doc.a{b}*+"],
    ["{type}:{id}", "a\nb:c\nd"],
    ["{id}:{id}", "x:x"],
  ])("say by the template %s what the workers read as %s", (id, document) => {
    const topic = { ...plain, ...(id === undefined ? {} : { id }) };
    const [event, ...more] = eventsOf({ ...nothing, documents: [document] }, topic, at);
    expect(more).toEqual([]);
    const subscriptions = createSubscriptions([{ topic: "plain", format: "json", id, wide: false }]);
    const record = {
      topic: "plain",
      partition: 0,
      offset: 0n,
      key: Buffer.from(event?.key ?? ""),
      value: Buffer.from(event?.value ?? ""),
      headers: {},
      timestamp: 0,
    };
    expect(subscriptions.decode(record)).toEqual({
      kind: "changes",
      changes: [{ kind: "document", id: document }],
      occurredAt: Date.parse(at),
    });
  });

  test("cannot name a document that the template never builds", () => {
    const topic = { ...plain, id: "{type}:{id}" };
    expect(() => eventsOf({ ...nothing, documents: ["nocolon"] }, topic, at)).toThrow(
      expect.objectContaining({ code: "UNSTALE_USAGE", message: expect.stringContaining("--direct") }),
    );
  });

  test("carry many documents each, and each scope alone", () => {
    const documents = Array.from({ length: 1_001 }, (_, index) => `d:${index}`);
    const events = eventsOf({ documents, namespaces: ["docs"], all: true }, wide, at);
    expect(events.map(({ value }) => Object.keys(JSON.parse(value))[0])).toEqual([
      "ids",
      "ids",
      "ids",
      "namespace",
      "all",
    ]);
    expect(events.map(({ key }) => key)).toEqual([null, null, null, null, null]);
  });
});
