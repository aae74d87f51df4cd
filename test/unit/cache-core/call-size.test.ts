import { describe, expect, test } from "@jest/globals";
import { createCallSize } from "../../../cache-core/call-size.ts";

const calls = (count: number, call: Parameters<ReturnType<typeof createCallSize>["learn"]>[0]): number => {
  const size = createCallSize();
  for (let number = 0; number < count; number += 1) size.learn(call);
  return size.documents;
};

describe("the size of a call", () => {
  test("begins with what suits documents with a few entries", () => {
    expect(createCallSize().documents).toBe(100);
  });

  test("follows the entries that a document has, between 10 and 500 documents", () => {
    expect(calls(20, { documents: 100, drains: 0, deleted: 0 })).toBe(500);
    expect(calls(20, { documents: 100, drains: 0, deleted: 500 })).toBe(159);
    expect(calls(20, { documents: 100, drains: 0, deleted: 1_000 })).toBe(80);
    expect(calls(20, { documents: 100, drains: 95, deleted: 1_000 })).toBe(10);
  });

  test("learns nothing from sets that were taken away whole, whatever their number", () => {
    expect(calls(20, { documents: 100, drains: 100, deleted: 0 })).toBe(100);
    expect(calls(20, { documents: 100, drains: 200, deleted: 0 })).toBe(100);
  });

  test("is not thrown off by a single document", () => {
    expect(calls(1, { documents: 1, drains: 0, deleted: 200 })).toBeGreaterThan(60);
  });
});
