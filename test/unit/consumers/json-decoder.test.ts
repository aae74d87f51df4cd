import { describe, expect, test } from "@jest/globals";
import type { Subscription } from "../../../consumers/change-event.ts";
import { decodeJson } from "../../../consumers/decoders/json.ts";
import { sourceRecord } from "../../support/source-records.ts";

const plain: Subscription = { topic: "cms.documents", format: "json", wide: false };
const wide: Subscription = { ...plain, wide: true };
const typed: Subscription = { ...plain, id: "{type}:{id}" };
const document = (id: string, version?: number) => ({
  kind: "document",
  id,
  ...(version === undefined ? {} : { version }),
});

describe("format json: what it takes", () => {
  test.each<[string, unknown, Subscription, unknown[]]>([
    ["an id", { id: "article:42" }, plain, [document("article:42")]],
    ["an id with a version", { id: "article:42", version: 17 }, plain, [document("article:42", 17)]],
    ["version 0", { id: "a", version: 0 }, plain, [document("a", 0)]],
    ["an integer id", { id: 42 }, plain, [document("42")]],
    [
      "ids of both kinds",
      { ids: ["a", 7, { id: "b", version: 3 }] },
      plain,
      [document("a"), document("7"), document("b", 3)],
    ],
    ["id and ids together", { id: "a", ids: ["b"] }, plain, [document("a"), document("b")]],
    ["unknown fields beside", { id: "a", op: "update", author: { id: 7 } }, plain, [document("a")]],
    [
      "null for a field that is left out",
      { id: "a", version: null, ids: null, namespace: null, all: null },
      plain,
      [document("a")],
    ],
    ["all: false", { id: "a", all: false }, plain, [document("a")]],
    [
      "a namespace on a wide topic",
      { namespace: "docs:technical" },
      wide,
      [{ kind: "namespace", namespace: "docs:technical" }],
    ],
    ["all on a wide topic", { all: true }, wide, [{ kind: "all" }]],
    [
      "several together",
      { id: "a", namespace: "docs", all: true },
      wide,
      [document("a"), { kind: "namespace", namespace: "docs" }, { kind: "all" }],
    ],
    ["a template", { type: "article", id: 42 }, typed, [document("article:42")]],
    [
      "a template with a type for each",
      { type: "article", ids: [1, { id: 2, type: "author" }] },
      typed,
      [document("article:1"), document("author:2")],
    ],
    ["a source that is only text", { id: "a", op: "u", source: "cms" }, plain, [document("a")]],
    ["braces, stars, colons and newlines in ids", { id: "{a}*:\n" }, plain, [document("{a}*:\n")]],
    ["an id of 512 bytes", { id: "ä".repeat(256) }, plain, [document("ä".repeat(256))]],
  ])("%s", (_, value, subscription, changes) => {
    expect(decodeJson(sourceRecord({ value: JSON.stringify(value) }), subscription)).toEqual({
      kind: "changes",
      changes,
    });
  });

  test("a null value names its document by the key, as it is", () => {
    const record = sourceRecord({ key: "article:42", value: null });
    expect(decodeJson(record, typed)).toEqual({ kind: "changes", changes: [document("article:42")] });
  });

  test.each([
    ["2026-11-23T03:56:24Z", Date.parse("2026-11-23T03:56:24Z")],
    [1_763_870_184_863, 1_763_870_184_863],
    ["yesterday", undefined],
    [-1, undefined],
  ])("occurredAt %j", (occurredAt, expected) => {
    expect(decodeJson(sourceRecord({ value: { id: "a", occurredAt } }), plain)).toEqual({
      kind: "changes",
      changes: [document("a")],
      ...(expected === undefined ? {} : { occurredAt: expected }),
    });
  });
});

describe("format json: what it refuses, and what of it is invalidated all the same", () => {
  const debezium = { before: { id: 7 }, after: { id: 7 }, source: { lsn: 1 }, op: "u" };
  const cloudEvent = { specversion: "1.0", id: "9f1c", source: "/cms", type: "published", data: { id: "a" } };

  test.each<[string, string | Buffer | object | null, Subscription, string, unknown[]]>([
    ["text that is not JSON", "{", plain, "not-json", []],
    ["no bytes", "", plain, "not-json", []],
    ["bytes that are not UTF-8", Buffer.from([0x22, 0xff, 0x22]), plain, "not-json", []],
    ["a number", "42", plain, "not-an-object", []],
    ["a list", [{ id: "a" }], plain, "not-an-object", []],
    ["null as JSON", "null", plain, "not-an-object", []],
    ["no field of ours", { op: "update" }, plain, "no-id", []],
    ["an empty list of ids", { ids: [] }, plain, "no-id", []],
    ["an empty id", { id: "" }, plain, "invalid-id", []],
    ["an id that starts with a space", { id: " a" }, plain, "invalid-id", []],
    ["an id of 513 bytes", { id: "a".repeat(513) }, plain, "invalid-id", []],
    ["half a surrogate pair", '{"id":"\\ud800"}', plain, "invalid-id", []],
    ["a fractional id", { id: 1.5 }, plain, "invalid-id", []],
    ["an integer beyond 2^53", '{"id":9007199254740993}', plain, "invalid-id", []],
    ["a boolean id", { id: true }, plain, "invalid-id", []],
    ["ids that are no list", { ids: "a" }, plain, "invalid-id", []],
    ["one bad id among good ones", { ids: ["a", "", "b"] }, plain, "invalid-id", [document("a"), document("b")]],
    ["null in ids", { ids: ["a", null] }, plain, "invalid-id", [document("a")]],
    ["a version as text", { id: "a", version: "17" }, plain, "invalid-version", [document("a")]],
    ["a negative version", { id: "a", version: -1 }, plain, "invalid-version", [document("a")]],
    ["a namespace on a topic that is not wide", { id: "a", namespace: "docs" }, plain, "not-wide", [document("a")]],
    ["all on a topic that is not wide", { all: true }, plain, "not-wide", []],
    ["a namespace with a glob", { namespace: "docs:*" }, wide, "invalid-namespace", []],
    ["a namespace that is no text", { namespace: 7 }, wide, "invalid-namespace", []],
    ["all as text", { id: "a", all: "true" }, wide, "invalid-all", [document("a")]],
    ["a template without its type", { id: 42 }, typed, "no-id", []],
    ["a Debezium record", debezium, plain, "foreign-format", []],
    ["a Debezium record with its schema", { schema: {}, payload: debezium }, plain, "foreign-format", []],
    ["a flattened Debezium record", { id: 7, __deleted: "false" }, plain, "foreign-format", []],
    ["a CloudEvent", cloudEvent, plain, "foreign-format", []],
    ["a schema registry frame", Buffer.from("000000002a1261727469636c652d37", "hex"), plain, "foreign-format", []],
  ])("%s", (_, value, subscription, reason, changes) => {
    const failure = decodeJson(sourceRecord({ value }), subscription);
    expect(failure).toMatchObject({ kind: "failure", reason, changes });
    const withKey = decodeJson(sourceRecord({ value, key: "the-key" }), subscription);
    expect(withKey).toMatchObject({ kind: "failure", reason, changes: [...changes, document("the-key")] });
  });

  test.each([
    ["content-type", { "Content-Type": [Buffer.from("application/cloudevents+json; charset=UTF-8")] }],
    ["ce_ headers", { ce_id: [], ce_source: [], ce_type: [], ce_specversion: [] }],
    ["a schema id", { __value_schema_id: [] }],
  ])("a foreign format by %s, whatever the value", (_, headers) => {
    const record = sourceRecord({ key: "the-key", value: null, headers });
    expect(decodeJson(record, plain)).toMatchObject({ reason: "foreign-format", changes: [document("the-key")] });
  });

  test.each([
    ["none", null, "no-id"],
    ["empty", "", "invalid-id"],
    ["not UTF-8", Buffer.from([0xff]), "invalid-id"],
    ["too long", "a".repeat(513), "invalid-id"],
  ])("a null value with a key that is %s", (_, key, reason) => {
    expect(decodeJson(sourceRecord({ key, value: null }), plain)).toMatchObject({
      kind: "failure",
      reason,
      changes: [],
    });
  });

  test("details never quote the value", () => {
    for (const value of ['{"id": "s3cret', '"s3cret"', { id: " s3cret" }, { namespace: "s3cret*" }]) {
      const failure = decodeJson(sourceRecord({ value }), wide);
      expect(JSON.stringify(failure)).not.toContain("s3cret");
    }
  });
});
