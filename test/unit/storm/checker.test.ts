// Histories made by hand, in ms: what the judge of the storms must convict, and what it must let go.
import { describe, expect, test } from "@jest/globals";
import { Checker, type Circumstance, type Verdict } from "../../../dev/storm/checker.ts";
import type { ReadRecord } from "../../../dev/storm/history.ts";

const ms = (time: number): number => time * 1_000;

function edit(document: string, version: number, at: number, offset: number): Circumstance {
  return { kind: "edit", document, version, at: ms(at), produced: ms(at + 1), partition: 0, offset };
}

function acknowledged(next: number, at: number, by = "us"): Circumstance {
  return { kind: "acknowledged", by, partition: 0, next, at: ms(at) };
}

function wipe(namespace: string | undefined, at: number, offset: number): Circumstance {
  return { kind: "wipe", ...(namespace === undefined ? {} : { namespace }), at: ms(at), partition: 0, offset };
}

interface Read extends Partial<Omit<ReadRecord, "began" | "from">> {
  readonly began: number;
  readonly from?: number;
}

function read({ began, from = 0, query = "q", ...rest }: Read): ReadRecord {
  return {
    kind: "read",
    by: "us",
    query,
    says: query,
    began: ms(began),
    ended: ms(began + 1),
    hit: true,
    versions: { A: 1 },
    from: ms(from),
    ...rest,
  };
}

function judged(circumstances: readonly Circumstance[], ...reads: readonly ReadRecord[]): Verdict {
  const checker = new Checker(circumstances);
  for (const record of reads) checker.read(record);
  return checker.verdict("us");
}

const stale = ({ staleAfterMs }: Verdict): number => staleAfterMs[0] ?? 0;
const changed = [edit("A", 2, 100, 0), acknowledged(1, 200)];

describe("the judge of the storms", () => {
  test("convicts a read that began after the acknowledgement and was given the older version", () => {
    const verdict = judged(changed, read({ began: 201 }));
    expect(stale(verdict)).toBe(1);
    expect(verdict.examples[0]?.because).toBe("A was at version 2, and the answer says 1");
    expect(verdict.examples[0]?.lateMs).toBe(1);
  });

  test("lets a read go that began before the acknowledgement, however late it ended", () => {
    expect(stale(judged(changed, read({ began: 199, ended: ms(900) })))).toBe(0);
  });

  test("lets a read go that was given the newer version", () => {
    expect(stale(judged(changed, read({ began: 201, versions: { A: 2 } })))).toBe(0);
  });

  test("does not ask for a version whose change is not acknowledged", () => {
    const verdict = judged([edit("A", 2, 100, 5), acknowledged(5, 200)], read({ began: 900 }));
    expect(stale(verdict)).toBe(0);
    expect(verdict.unacknowledged).toBe(1);
  });

  test("convicts for each source, also when all others are new", () => {
    const circumstances = [edit("A", 2, 100, 0), edit("B", 2, 101, 1), acknowledged(2, 200)];
    expect(stale(judged(circumstances, read({ began: 201, versions: { A: 2, B: 1 } })))).toBe(1);
  });

  test("convicts an answer that knows the first of two changes only", () => {
    const circumstances = [edit("A", 2, 100, 0), edit("A", 3, 150, 1), acknowledged(1, 200), acknowledged(2, 300)];
    const knowing = { versions: { A: 2 } };
    expect(stale(judged(circumstances, read({ began: 250, ...knowing })))).toBe(0);
    expect(stale(judged(circumstances, read({ began: 301, ...knowing })))).toBe(1);
  });

  test("convicts by the later change when the events of two changes arrived in the opposite order", () => {
    const circumstances = [edit("A", 2, 100, 1), edit("A", 3, 101, 0), acknowledged(1, 200)];
    expect(stale(judged(circumstances, read({ began: 201, versions: { A: 2 } })))).toBe(1);
  });

  test("tells how long after the acknowledgement it was, counted from the earliest change that was missed", () => {
    const circumstances = [...changed, edit("A", 3, 1_000, 1), acknowledged(2, 1_100)];
    const verdict = judged(circumstances, read({ began: 201 }), read({ began: 1_201 }), read({ began: 10_300 }));
    expect(verdict.staleAfterMs).toEqual({ 0: 3, 1000: 2, 10000: 1 });
    expect(verdict.latestStaleMs).toBe(10_100);
  });

  test("takes the first of several acknowledgements of one offset", () => {
    const circumstances = [edit("A", 2, 100, 0), acknowledged(1, 300), acknowledged(1, 200), acknowledged(1, 500)];
    expect(stale(judged(circumstances, read({ began: 201 })))).toBe(1);
  });

  test("judges each contestant by its own acknowledgements", () => {
    const circumstances = [edit("A", 2, 100, 0), acknowledged(1, 200, "them")];
    expect(stale(judged(circumstances, read({ began: 900 })))).toBe(0);
  });

  test("counts what was kept at the end, and what of it is overtaken, apart from the reads", () => {
    const verdict = judged(
      changed,
      read({ began: 900, last: true }),
      read({ began: 900, last: true, versions: { A: 2 } }),
      read({ began: 900, last: true, hit: false, versions: { A: 2 } }),
    );
    expect(verdict).toMatchObject({ reads: 0, entriesAtEnd: 2, staleAtEnd: 1 });
    expect(stale(verdict)).toBe(0);
  });

  test("counts answers to another question", () => {
    expect(judged([], read({ began: 1, says: "another" })).mixedUp).toBe(1);
  });

  test("measures from the change to the acknowledgement", () => {
    expect(judged([edit("A", 2, 100, 0), edit("A", 3, 150, 1), acknowledged(2, 200)]).acknowledgedAfterMs).toEqual([
      50, 100,
    ]);
  });

  describe("of a namespace that was voided", () => {
    const voided = [wipe("docs", 100, 0), acknowledged(1, 200)];

    test("convicts an answer that was built before, there or in a deeper level", () => {
      for (const query of ["docs/1", "docs:technical/1"]) {
        expect(stale(judged(voided, read({ query, began: 201, from: 99 })))).toBe(1);
      }
    });

    test("lets go what was built afterwards, lies elsewhere, or was read before the acknowledgement", () => {
      const innocent = [
        read({ query: "docs/1", began: 201, from: 101 }),
        read({ query: "docs/1", began: 199, from: 99 }),
        read({ query: "docsets/1", began: 201, from: 99 }),
        read({ query: "1", began: 201, from: 99 }),
      ];
      expect(stale(judged(voided, ...innocent))).toBe(0);
    });

    test("everything means everything", () => {
      const all = [wipe(undefined, 100, 0), acknowledged(1, 200)];
      expect(stale(judged(all, read({ query: "1", began: 201, from: 99 })))).toBe(1);
    });
  });

  describe("of a program without leases", () => {
    const written: Circumstance = { kind: "foreign", id: "w1", at: ms(100) };
    const answer = read({ began: 900, foreign: "w1" });

    test("excuses a change that came before its last SADD", () => {
      expect(stale(judged([written, edit("A", 2, 99, 0), acknowledged(1, 200)], answer))).toBe(0);
    });

    test("convicts for a change that came after its last SADD", () => {
      expect(stale(judged([written, edit("A", 2, 101, 0), acknowledged(1, 200)], answer))).toBe(1);
    });

    test("excuses what was never written to the end", () => {
      expect(stale(judged([edit("A", 2, 101, 0), acknowledged(1, 200)], answer))).toBe(0);
    });
  });
});
