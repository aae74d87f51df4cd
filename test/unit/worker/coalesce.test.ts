import { expect, test } from "@jest/globals";
import type { ChangeEvent } from "../../../consumers/change-event.ts";
import { coalesce } from "../../../worker/coalesce.ts";

function at(offset: number, change: ChangeEvent): { change: ChangeEvent; offset: bigint; occurredAt: number } {
  return { change, offset: BigInt(offset), occurredAt: 0 };
}

test("a document comes once, with the highest version that any event said", () => {
  const changes = [
    at(1, { kind: "document", id: "a", version: 4 }),
    at(2, { kind: "document", id: "b" }),
    at(3, { kind: "document", id: "a", version: 3 }),
    at(4, { kind: "document", id: "a" }),
  ];
  expect(coalesce(changes)).toEqual({ documents: [{ id: "a", version: 4 }, { id: "b" }], scopes: [] });
});

test("a namespace comes once, with its highest offset; everything is a scope of its own", () => {
  const changes = [
    at(1, { kind: "namespace", namespace: "docs" }),
    at(2, { kind: "all" }),
    at(7, { kind: "namespace", namespace: "docs" }),
    at(8, { kind: "namespace", namespace: "docs:technical" }),
  ];
  expect(coalesce(changes)).toEqual({
    documents: [],
    scopes: [{ namespace: "docs", offset: 7 }, { offset: 2 }, { namespace: "docs:technical", offset: 8 }],
  });
});

test("ids are text, whatever they look like", () => {
  const ids = ["__proto__", "constructor", "{}", "a:b*", "1"];
  const changes = ids.map((id, index) => at(index, { kind: "document", id }));
  expect(coalesce(changes).documents.map(({ id }) => id)).toEqual(ids);
});
