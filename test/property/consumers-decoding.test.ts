import { expect, test } from "@jest/globals";
import fc from "fast-check";
import type { SourceRecord } from "../../consumers/change-event.ts";
import { type CutSlice, cutSlice } from "../../consumers/slices.ts";
import { createSubscriptions } from "../../consumers/subscriptions.ts";
import { sourceRecord } from "../support/source-records.ts";

const subscriptions = [
  createSubscriptions([{ topic: "cms.documents", format: "json", wide: false }]),
  createSubscriptions([{ topic: "cms.documents", format: "json", wide: true, id: "{type}:{id}" }]),
] as const;

const bytes = fc.uint8Array({ maxLength: 600 }).map((array) => Buffer.from(array));
/** Objects that look like events often enough to reach the depths of the decoder. */
const eventLike = fc.record(
  {
    id: fc.oneof(fc.string(), fc.integer(), fc.anything()),
    ids: fc.oneof(
      fc.array(fc.oneof(fc.string({ unit: "binary" }), fc.record({ id: fc.anything(), version: fc.anything() }))),
      fc.anything(),
    ),
    namespace: fc.oneof(fc.string(), fc.anything()),
    all: fc.anything(),
    version: fc.anything(),
    type: fc.anything(),
    op: fc.anything(),
    source: fc.anything(),
    before: fc.anything(),
    occurredAt: fc.anything(),
    __proto__: fc.anything(),
  },
  { requiredKeys: [] },
);
const value = fc.oneof(
  fc.constant(null),
  bytes,
  fc.json().map((json) => Buffer.from(json)),
  eventLike.map((event) => Buffer.from(safeJson(event))),
);
const headers = fc.dictionary(
  fc.constantFrom("content-type", "ce_id", "traceparent", "x"),
  fc.array(bytes, { maxLength: 2 }),
);

function safeJson(event: unknown): string {
  try {
    return JSON.stringify(event, (_, one) => (typeof one === "bigint" ? String(one) : one)) ?? "null";
  } catch {
    return "{}";
  }
}

test("any record yields at least one change, or a reason, and never throws", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...subscriptions),
      fc.option(bytes, { nil: null }),
      value,
      headers,
      (one, key, body, head) => {
        const decoded = one.decode(sourceRecord({ key, value: body, headers: head }));
        if (decoded.kind === "changes") expect(decoded.changes.length).toBeGreaterThan(0);
        else expect(decoded.reason).not.toBe("decoder-error");
        for (const change of decoded.changes) {
          if (change.kind !== "document") continue;
          expect(change.id.isWellFormed() && change.id !== "" && !change.id.startsWith(" ")).toBe(true);
          expect(Buffer.byteLength(change.id)).toBeLessThanOrEqual(512);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test("slices cover a batch: every record from the position on exactly once, in order, within the limits", () => {
  const gaps = fc.array(fc.record({ skip: fc.integer({ min: 0, max: 5 }), changes: fc.integer({ min: 0, max: 12 }) }));
  const limits = fc.record({
    maxChanges: fc.integer({ min: 1, max: 10 }),
    maxRecords: fc.integer({ min: 1, max: 10 }),
  });
  fc.assert(
    fc.property(gaps, limits, fc.nat(30), fc.nat(3), (shape, limit, start, markers) => {
      let offset = 0n;
      const records = shape.map(({ skip, changes }): SourceRecord => {
        offset += BigInt(skip) + 1n;
        return sourceRecord({ offset: offset - 1n, value: Buffer.alloc(changes) });
      });
      const next = offset + BigInt(markers);
      const batch = {
        size: records.length,
        record: (index: number) => records[index] as SourceRecord,
        next,
        end: next,
      };
      const slices: CutSlice[] = [];
      let position = BigInt(start);
      let fromIndex = 0;
      for (;;) {
        const slice = cutSlice({ batch, fromIndex, position, decode: byLength, limits: limit });
        if (slice === undefined) break;
        expect(slice.first).toBeGreaterThanOrEqual(position);
        expect(slice.next).toBeGreaterThan(slice.first);
        expect(slice.records.length).toBeLessThanOrEqual(limit.maxRecords);
        if (slice.records.length > 1) expect(slice.changes.length).toBeLessThanOrEqual(limit.maxChanges);
        slices.push(slice);
        position = slice.next;
        fromIndex = slice.nextIndex;
      }
      const wanted = records.filter((record) => record.offset >= BigInt(start));
      expect(slices.flatMap((slice) => slice.records)).toEqual(wanted);
      if (wanted.length > 0) expect(position).toBe(next);
    }),
  );
});

/** As many changes as the value has bytes. */
function byLength(record: SourceRecord) {
  const changes = Array.from({ length: record.value?.length ?? 0 }, () => ({ kind: "document", id: "a" }) as const);
  return { kind: "changes", changes } as const;
}
