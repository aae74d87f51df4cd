import { describe, expect, test } from "@jest/globals";
import { account, type LedgerEvent } from "../../../dev/chaos/ledger.ts";

const event = (offset: number, at = 0, partition = 0): LedgerEvent => ({
  id: `article:${partition}:${offset}`,
  topic: "documents",
  partition,
  offset,
  at,
});
const slice = (first: number, next: number, at = 0, partition = 0) => ({
  topic: "documents",
  partition,
  first,
  next,
  at,
});

describe("the account of a row", () => {
  test("nothing applied twice: no duplicates; the stalest is the one that waited longest", () => {
    const events = [event(0, 100), event(1, 110), event(2, 120)];
    expect(account(events, [slice(0, 2, 150), slice(2, 3, 400)])).toEqual({ duplicates: 0, stalestMs: 280 });
  });

  test("each further application of an event counts, and only its first ends its age", () => {
    const events = [event(5, 100), event(7, 100)];
    const slices = [slice(0, 8, 120), slice(7, 9, 900), slice(5, 8, 1_000)];
    expect(account(events, slices)).toEqual({ duplicates: 3, stalestMs: 20 });
  });

  test("partitions do not mix, and offsets of others than the ledger's count nothing", () => {
    expect(account([event(3, 10, 1)], [slice(0, 9, 20, 0), slice(0, 3, 20, 1), slice(4, 9, 20, 1)])).toEqual({
      duplicates: 0,
      stalestMs: undefined,
    });
  });
});
