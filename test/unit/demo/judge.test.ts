import { describe, expect, test } from "@jest/globals";
import { createJudge, percentile } from "../../../dev/demo/judge.ts";

/** A page that said €49.00 at 0, and €59.00 from 100 on, as the event at offset 7. */
function edited() {
  const judge = createJudge();
  judge.saved("page", "€49.00", 0);
  judge.saved("page", "€59.00", 100);
  judge.published("page", { partition: 1, offset: 7n });
  return judge;
}

const old = (askedAt: number) => ({ page: "page", answer: "It costs €49.00.", askedAt });

describe("the judge", () => {
  test("an old answer is stale only if the change was acknowledged before the question", () => {
    const judge = edited();
    judge.committed("plain", { partition: 1, offset: 8n }, 150);
    expect(judge.judge("plain", old(149))).toBe("not yet acknowledged");
    expect(judge.judge("plain", old(151))).toBe("stale");
    expect(judge.tally.plain).toEqual({ answers: 2, stale: 1 });
  });

  test("each side is measured by its own acknowledgement", () => {
    const judge = edited();
    judge.committed("plain", { partition: 1, offset: 8n }, 150);
    expect(judge.judge("unstale", old(200))).toBe("not yet acknowledged");
  });

  test("an offset up to the event, or of another partition, acknowledges nothing", () => {
    const judge = edited();
    judge.committed("plain", { partition: 1, offset: 7n }, 150);
    judge.committed("plain", { partition: 0, offset: 99n }, 150);
    expect(judge.judge("plain", old(200))).toBe("not yet acknowledged");
  });

  test("a worker may be done before the publisher hears that its event was taken", () => {
    const judge = createJudge();
    judge.saved("page", "€49.00", 0);
    judge.saved("page", "€59.00", 100);
    judge.committed("plain", { partition: 1, offset: 8n }, 150);
    judge.published("page", { partition: 1, offset: 7n });
    expect(judge.judge("plain", old(200))).toBe("stale");
  });

  test("the newest text is current, also before its change was acknowledged", () => {
    const judge = edited();
    expect(judge.judge("plain", { page: "page", answer: "€59.00", askedAt: 101 })).toBe("current");
  });

  test("an answer without any of the page's facts is stale", () => {
    expect(edited().judge("plain", { page: "page", answer: "I found nothing.", askedAt: 1 })).toBe("stale");
  });

  test("is settled when both sides have acknowledged everything", () => {
    const judge = edited();
    judge.committed("plain", { partition: 1, offset: 8n }, 150);
    expect(judge.settled()).toBe(false);
    judge.committed("unstale", { partition: 1, offset: 9n }, 160);
    expect(judge.settled()).toBe(true);
  });
});

describe("percentile", () => {
  test("is the value below or at which the share lies", () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1)]).toEqual([50, 99, 100]);
    expect(percentile([], 0.5)).toBeNaN();
  });
});
