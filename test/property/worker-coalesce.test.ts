import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { ChangeEvent } from "../../consumers/change-event.ts";
import type { PositionedChange } from "../../consumers/change-source.ts";
import { coalesce } from "../../worker/coalesce.ts";

const change: fc.Arbitrary<ChangeEvent> = fc.oneof(
  fc.record({ kind: fc.constant("document" as const), id: fc.constantFrom("a", "b", "c") }),
  fc.record({ kind: fc.constant("document" as const), id: fc.constantFrom("a", "b", "c"), version: fc.nat(9) }),
  fc.record({ kind: fc.constant("namespace" as const), namespace: fc.constantFrom("x", "x:y") }),
  fc.constant({ kind: "all" as const }),
);
const slices: fc.Arbitrary<PositionedChange[]> = fc
  .array(change, { maxLength: 30 })
  .map((changes) => changes.map((each, index) => ({ change: each, offset: BigInt(index), occurredAt: 0 })));

describe("coalescing", () => {
  test("neither adds nor forgets anything", () => {
    fc.assert(
      fc.property(slices, (slice) => {
        const { documents, scopes } = coalesce(slice);
        const wanted = slice.map(({ change: each }) => each);
        expect(documents.map(({ id }) => id).sort()).toEqual(
          [...new Set(wanted.flatMap((each) => (each.kind === "document" ? [each.id] : [])))].sort(),
        );
        expect(new Set(scopes.map(({ namespace }) => namespace))).toEqual(
          new Set(
            wanted.flatMap((each) =>
              each.kind === "document" ? [] : [each.kind === "all" ? undefined : each.namespace],
            ),
          ),
        );
      }),
    );
  });

  test("of versions and offsets the highest is kept, in whatever order they come", () => {
    fc.assert(
      fc.property(slices, (slice) => {
        const byName = (list: readonly object[]): string[] => list.map((each) => JSON.stringify(each)).sort();
        const forwards = coalesce(slice);
        const backwards = coalesce([...slice].reverse());
        expect(byName(backwards.documents)).toEqual(byName(forwards.documents));
        expect(byName(backwards.scopes)).toEqual(byName(forwards.scopes));
        for (const { change: each } of slice) {
          if (each.kind !== "document" || each.version === undefined) continue;
          expect(forwards.documents.find(({ id }) => id === each.id)?.version).toBeGreaterThanOrEqual(each.version);
        }
      }),
    );
  });

  test("two halves coalesced say the same as the whole", () => {
    fc.assert(
      fc.property(slices, fc.nat(30), (slice, cut) => {
        const [left, right] = [coalesce(slice.slice(0, cut)), coalesce(slice.slice(cut))];
        const whole = coalesce(slice);
        const ids = new Set([...left.documents, ...right.documents].map(({ id }) => id));
        expect(ids).toEqual(new Set(whole.documents.map(({ id }) => id)));
      }),
    );
  });
});
