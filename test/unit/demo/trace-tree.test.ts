import { describe, expect, test } from "@jest/globals";
import { parseSpans, startOtlpReceiver } from "../../../dev/demo/otlp-receiver.ts";
import { drawTree, spansBelow } from "../../../dev/demo/trace-tree.ts";

const span = (spanId: string, more: object) => ({ traceId: "t", spanId, name: spanId, ...more });
const body = (spans: readonly object[]) => JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
const nano = (ms: number) => String(BigInt(ms) * 1_000_000n);

const process = span("b", {
  name: "process topic",
  parentSpanId: "a",
  startTimeUnixNano: nano(10),
  endTimeUnixNano: nano(30),
});
const invalidate = span("c", {
  name: "invalidate",
  parentSpanId: "b",
  startTimeUnixNano: nano(12),
  endTimeUnixNano: nano(15),
  attributes: [
    { key: "db.system.name", value: { stringValue: "redis" } },
    { key: "unstale.documents", value: { intValue: "1" } },
    { key: "unstale.scopes", value: { intValue: 0 } },
    { key: "unstale.entries.deleted", value: { intValue: "2" } },
  ],
});

describe("the receiver", () => {
  test("takes spans over HTTP", async () => {
    const receiver = await startOtlpReceiver();
    try {
      const response = await fetch(`${receiver.endpoint}/v1/traces`, { method: "POST", body: body([process]) });
      expect(response.status).toBe(200);
      expect(receiver.spans).toMatchObject([{ name: "process topic", start: 10, end: 30, parentSpanId: "a" }]);
    } finally {
      await receiver.close();
    }
  });

  test("reads nothing from what is no export", () => {
    expect(parseSpans("{}")).toEqual([]);
    expect(parseSpans('{"resourceSpans": [null, {"scopeSpans": 1}]}')).toEqual([]);
  });
});

describe("the tree", () => {
  test("says who did what, when it began and how long it took", () => {
    const children = spansBelow(parseSpans(body([invalidate, process])), "a");
    const lines = drawTree({ label: "edit", start: 0, end: 30, children }, 70);
    expect(lines.map((line) => line.replaceAll(/ +/g, " "))).toEqual([
      "edit +0.0 ms 30 ms",
      "└─ worker: process topic +10 ms 20 ms",
      " └─ Valkey: invalidate, 2 entries deleted +12 ms 3.0 ms",
    ]);
    expect(new Set(lines.map((line) => line.length))).toEqual(new Set([70]));
  });

  test("a span that links to its cause hangs below it as well", () => {
    const batch = span("d", { name: "process topic", links: [{ traceId: "t", spanId: "a" }] });
    expect(spansBelow(parseSpans(body([batch])), "a")).toHaveLength(1);
  });

  test("a label that is too long is cut", () => {
    const [line] = drawTree({ label: "x".repeat(200), start: 0, end: 1, children: [] }, 60);
    expect(line).toHaveLength(60);
  });
});
