import { expect, test } from "@jest/globals";
import { collectTraces, maxTraces } from "../../../consumers/trace-context.ts";
import { sourceRecord } from "../../support/source-records.ts";

const traced = (traceparent: string, more: object = {}) =>
  sourceRecord({ headers: { traceparent: [Buffer.from(traceparent)], ...more } });

test("distinct contexts, with their state, whatever the case of the header names", () => {
  const upper = sourceRecord({ headers: { TraceParent: [Buffer.from("00-b")], TRACESTATE: [Buffer.from("x=y")] } });
  expect(collectTraces([traced("00-a"), traced("00-a"), upper, sourceRecord()])).toEqual([
    { traceparent: "00-a" },
    { traceparent: "00-b", tracestate: "x=y" },
  ]);
});

test("no more than there is room for; none that is absurdly long, or a state alone", () => {
  const many = Array.from({ length: 100 }, (_, index) => traced(`00-${index}`));
  expect(collectTraces(many)).toHaveLength(maxTraces);
  const alone = sourceRecord({ headers: { tracestate: [Buffer.from("x=y")] } });
  expect(collectTraces([traced("0".repeat(600)), alone, traced("00-a", { traceparent: [] })])).toEqual([]);
});
