import { describe, expect, test } from "@jest/globals";
import { createInvalidator, createMemoryStore } from "@unstale/cache-core";
import { createSubscriptions, type LogRange, type LogReading } from "../../../consumers/index.ts";
import { standingsOf } from "../../../worker/commands/lag.ts";
import { letterOf, parseLetterName, returned } from "../../../worker/commands/letters.ts";
import { parseBound, parseTime } from "../../../worker/commands/range.ts";
import { replayRange } from "../../../worker/commands/replay.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { sourceRecord } from "../../support/source-records.ts";
import { entry } from "./scene.ts";

const now = Date.UTC(2026, 10, 23, 12);

describe("an end of a stretch", () => {
  test.each([
    ["42", { kind: "offset", offset: 42n }],
    ["90m", { kind: "time", time: now - 5_400_000 }],
    ["2d", { kind: "time", time: now - 172_800_000 }],
    ["2026-11-23T10:00:00Z", { kind: "time", time: now - 7_200_000 }],
    ["2026-11-23", { kind: "time", time: now - 43_200_000 }],
  ])("%s", (text, bound) => {
    expect(parseBound("--from", text, now)).toEqual(bound);
  });

  test.each(["", "-1", "4.2", "soon", "10:00", "1w"])("%j is refused", (text) => {
    expect(() => parseBound("--from", text, now)).toThrow(/--from: expected an offset such as 42/);
  });

  test("an offset is no time", () => {
    expect(() => parseTime("--since", "42", now)).toThrow(/--since: expected a time/);
  });
});

const letterHeaders = {
  "unstale-reason": [Buffer.from("not-json")],
  "unstale-detail": [Buffer.from("3 bytes that are not JSON")],
  "unstale-origin-topic": [Buffer.from("t")],
  "unstale-origin-partition": [Buffer.from("2")],
  "unstale-origin-offset": [Buffer.from("17")],
  "unstale-origin-timestamp": [Buffer.from("1")],
};
const letter = (headers: Readonly<Record<string, readonly Buffer[]>> = {}) =>
  sourceRecord({ topic: "t.dlq", offset: 12n, key: "k", value: "bad", headers: { ...letterHeaders, ...headers } });

describe("a dead letter", () => {
  test("goes back as it was, to its partition, and says from where", () => {
    const own = { "x-own": [Buffer.from("kept")], "unstale-replayed-from": [Buffer.from("t.dlq/0/3")] };
    expect(returned(letterOf(letter(own), "t"))).toEqual({
      key: Buffer.from("k"),
      value: Buffer.from("bad"),
      partition: 2,
      headers: { "x-own": [Buffer.from("kept")], "unstale-replayed-from": "t.dlq/0/12" },
    });
  });

  test.each([
    [
      "another topic's",
      { "unstale-origin-topic": [Buffer.from("payments")] },
      "does not come from this topic's worker",
    ],
    ["one that nobody signed", { "unstale-origin-partition": [] }, "does not say where it comes from"],
    ["a stub", { "unstale-value-bytes": [Buffer.from("9999")] }, "only its origin was kept"],
  ])("that is %s stays", (_, headers, text) => {
    expect(letterOf(letter(headers), "t").obstacle).toContain(text);
  });

  test("is named by its place, in a dead-letter topic of ours only", () => {
    expect(parseLetterName(letterOf(letter(), "t").name, ["t"])).toEqual({ topic: "t", partition: 0, offset: 12n });
    for (const name of ["t/0/12", "x.dlq/0/12", "t.dlq/0", "t.dlq/0/-1", ""]) {
      expect(() => parseLetterName(name, ["t"])).toThrow(/such as t\.dlq\/0\/12/);
    }
  });
});

function readerOf(records: readonly ReturnType<typeof sourceRecord>[], page = 2): Pick<LogReading, "read"> {
  return {
    read: async function* ({ from, to }: LogRange) {
      for (let at = from; at < to; at += BigInt(page)) {
        const next = at + BigInt(page) < to ? at + BigInt(page) : to;
        yield { records: records.filter(({ offset }) => offset >= at && offset < next), next };
      }
    },
  };
}

const place = { topic: "t", partition: 0 } as const;
const subscriptions = createSubscriptions([{ topic: "t", format: "json", wide: true }]);

describe("a replay", () => {
  const records = [{ id: "a" }, { id: "b" }, { namespace: "docs" }, "not json", { id: "a" }].map((value, index) =>
    sourceRecord({ ...place, offset: BigInt(index), value }),
  );
  const range = { ...place, from: 0n, to: 5n };

  test("invalidates what the events name, again and again, and leaves the account alone", async () => {
    const store = createMemoryStore();
    await store.attach({ bucket: 0, ...place, offset: 100 });
    const invalidator = createInvalidator({ store });
    for (const _ of [1, 2]) {
      const answers = [
        await entry(store, { query: "a", sources: ["a"] }),
        await entry(store, { query: "docs", sources: ["x"], namespace: "docs:technical" }),
      ];
      const other = await entry(store, { query: "c", sources: ["c"] });
      const done = await replayRange(range, {
        ...{ reader: readerOf(records), subscriptions, invalidator },
        onPage: () => undefined,
      });
      expect(done).toEqual({ ...place, from: 0, to: 5, records: 5, documents: 3, scopes: 1, unreadable: 1 });
      expect(await Promise.all(answers.map((answer) => answer.isServed()))).toEqual([false, false]);
      expect(await other.isServed()).toBe(true);
    }
    expect(await store.heartbeat({ bucket: 0, partitions: [place] })).toMatchObject({ applied: [100] });
  });

  test("without an invalidator only counts", async () => {
    const pages: bigint[] = [];
    const options = { reader: readerOf(records), subscriptions, invalidator: undefined };
    const done = await replayRange(range, { ...options, onPage: (next) => pages.push(next) });
    expect(done).toMatchObject({ records: 5, documents: 3 });
    expect(pages).toEqual([2n, 4n, 5n]);
  });
});

describe("lag", () => {
  const clock = new ManualClock();
  const timestamp = clock.now() - 9_400;
  const records = [4n, 6n].map((offset) => sourceRecord({ ...place, offset, timestamp, value: { id: "a" } }));
  const ask = (committed: bigint | undefined, store: Parameters<typeof standingsOf>[1]["store"]) =>
    standingsOf("t", {
      admin: {
        bounds: async () => [{ partition: 0, low: 2n, end: 7n }],
        committed: async () => [{ ...place, metadata: "", ...(committed === undefined ? {} : { offset: committed }) }],
      },
      reader: readerOf(records),
      store,
      groupId: "g",
      clock,
    });

  test("is what is not committed, and as old as the first record of it", async () => {
    const store = createMemoryStore({ clock });
    await store.attach({ bucket: 0, ...place, offset: 5 });
    expect(await ask(3n, store)).toEqual([{ ...place, committed: 3, applied: 5, end: 7, records: 4, seconds: 9 }]);
    expect(await ask(7n, store)).toMatchObject([{ records: 0, seconds: 0 }]);
  });

  test("begins where the log begins, if nothing is committed; Valkey need not answer", async () => {
    const store = { heartbeat: () => Promise.reject(new Error("down")) };
    expect(await ask(undefined, store)).toMatchObject([{ committed: null, applied: null, records: 5 }]);
  });
});
