import { describe, test } from "@jest/globals";
import fc from "fast-check";
import { decideStart, type PartitionHistory } from "../../worker/start-position.ts";

const offset = fc.bigInt({ min: 0n, max: 12n });
const histories: fc.Arbitrary<PartitionHistory> = fc
  .record({
    committed: fc.option(offset, { nil: undefined }),
    low: offset,
    length: offset,
    applied: fc.array(fc.option(fc.nat(12), { nil: undefined }), { minLength: 1, maxLength: 3 }),
  })
  .map(({ committed, low, length, applied }) => ({ committed, low, end: low + length, applied }));

describe("where a partition begins", () => {
  test("always within the log", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const { offset: start } = decideStart(history);
        return start >= history.low && start <= history.end;
      }),
    );
  });

  test("I5: no event that some bucket has not applied is passed over without a barrier", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const { offset: start, barrier } = decideStart(history);
        const nothingKnown =
          history.applied.every((applied) => applied === undefined) && (history.committed ?? 0n) === 0n;
        const unseen = history.applied.some((applied) => BigInt(applied ?? 0) < start);
        return barrier || nothingKnown || !unseen;
      }),
    );
  });

  test("without a barrier nothing is committed beyond what is delivered again", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const { offset: start, barrier } = decideStart(history);
        return barrier || history.committed === undefined || start <= history.committed || start === history.low;
      }),
    );
  });

  test("a worker that dies right after it was told begins again without another barrier", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const first = decideStart(history);
        fc.pre(first.attach);
        // What attach and seal left in Valkey; the group got as far as committing the start.
        const applied = history.applied.map(() => Number(first.offset));
        const second = decideStart({ ...history, committed: first.offset, applied });
        return !second.barrier && second.offset === first.offset;
      }),
    );
  });
});
