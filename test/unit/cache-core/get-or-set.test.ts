import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { FillContext } from "@unstale/cache-core";
import { type Latch, latch, settle, until } from "../../support/latch.ts";
import { outage, type TestCache, testCache } from "../../support/smart-cache.ts";

let t: TestCache;

beforeEach(() => {
  t = testCache();
});

afterEach(async () => {
  expect(await t.end()).toBe(0);
});

/** A shop: `price` is what a fill reads, and each fill stays where the test wants it. */
function shop() {
  const fills: { read: Latch; answer: Latch; seen: string }[] = [];
  let price = "9.99";
  const fill = async (context: FillContext): Promise<string> => {
    const own = { read: latch(), answer: latch(), seen: "" };
    fills.push(own);
    context.dependsOn("article:42");
    await own.read.opened;
    own.seen = price;
    await own.answer.opened;
    return own.seen;
  };
  const open = (index: number): void => {
    fills[index]?.read.open();
    fills[index]?.answer.open();
  };
  return {
    fill,
    fills,
    open,
    change: async (to: string) => {
      price = to;
      await t.another().invalidateSource("article:42");
    },
  };
}

describe("getOrSet on a miss", () => {
  test("fills, keeps the answer, and hits afterwards", async () => {
    const fill = (context: FillContext): { price: number } => {
      context.dependsOn(["article:42", "list:articles"]);
      return { price: 9.99 };
    };
    const expected = { response: { price: 9.99 }, sources: ["article:42", "list:articles"] };
    expect(await t.cache.getOrSet("how much?", fill)).toEqual({ ...expected, status: "filled" });
    expect(await t.cache.getOrSet("how much?", fill)).toEqual({ ...expected, status: "hit" });
    expect(await t.cache.get("how much?")).toEqual({ ...expected, hit: true });
  });

  test("takes the lease before the fill begins, so that a change during the fill refuses the write", async () => {
    const { fill, fills, open, change } = shop();
    const refusals: unknown[] = [];
    const answer = t.another({ onRefusal: (refusal) => refusals.push(refusal) }).getOrSet("how much?", fill);
    await until(() => fills.length === 1);
    fills[0]?.read.open();
    await until(() => fills[0]?.seen === "9.99");
    t.clock.advance(38);
    await change("10.99");
    fills[0]?.answer.open();

    await until(() => fills.length === 2);
    expect(refusals).toMatchObject([
      { query: "how much?", reason: "changed", document: "article:42", changedAfterMs: 38 },
    ]);
    open(1);
    expect(await answer).toEqual({ response: "10.99", sources: ["article:42"], status: "filled" });
    expect(await t.cache.get("how much?")).toMatchObject({ hit: true, response: "10.99" });
  });

  test("refused twice, gives the fresh answer of the refill and keeps nothing", async () => {
    const { fill, fills, open, change } = shop();
    const answer = t.cache.getOrSet("how much?", fill);
    await until(() => fills.length === 1);
    await change("10.99");
    open(0);
    await until(() => fills.length === 2);
    await change("11.99");
    open(1);
    expect(await answer).toEqual({
      response: "11.99",
      sources: ["article:42"],
      status: "refused",
      reason: "changed",
    });
    expect(fills).toHaveLength(2);
    expect(await t.cache.get("how much?")).toMatchObject({ hit: false });
  });

  test("does not fill again for a refusal that a new lease cannot mend", async () => {
    let fills = 0;
    const fill = (context: FillContext): string => {
      fills += 1;
      context.dependsOn(Array.from({ length: 10_000 }, (_, index) => `article:${index}`));
      return "all of them";
    };
    expect(await t.cache.getOrSet("q", fill)).toMatchObject({ status: "refused", reason: "too-many-sources" });
    expect(fills).toBe(1);
  });

  test("uses the TTL of the options, and that of setTtl before it", async () => {
    await t.cache.getOrSet("short", () => "a", { ttl: 10 });
    await t.cache.getOrSet(
      "long",
      (context) => {
        context.setTtl("1d");
        return "b";
      },
      { ttl: 10 },
    );
    t.clock.advance(11_000);
    expect(await t.cache.get("short")).toMatchObject({ hit: false });
    expect(await t.cache.get("long")).toMatchObject({ hit: true });
  });

  test("an unusable TTL or source inside a fill is that fill's error", async () => {
    const withTtl = t.cache.getOrSet("q", (context) => context.setTtl(-1));
    await expect(withTtl).rejects.toMatchObject({ code: "UNSTALE_INVALID_ARGUMENT" });
    const withSource = t.cache.getOrSet("q", (context) => context.dependsOn(""));
    await expect(withSource).rejects.toMatchObject({ code: "UNSTALE_INVALID_ARGUMENT" });
  });

  test("a fill that answers undefined is told so, unless it said skip", async () => {
    await expect(t.cache.getOrSet("q", () => undefined)).rejects.toThrow(/got undefined/);
    expect(await t.cache.getOrSet("q", (context) => context.skip())).toEqual({
      response: undefined,
      sources: [],
      status: "uncached",
      reason: "skipped",
    });
  });

  test("declaring a source after the fill has ended is an error, since it cannot count any more", async () => {
    let late: FillContext | undefined;
    await t.cache.getOrSet("q", (context) => {
      late = context;
      return "a";
    });
    expect(() => late?.dependsOn("article:1")).toThrow(/after the fill had ended/);
  });

  test("refuses an answer whose source was read at a version below a known one", async () => {
    await t.memory.open({ bucket: 0 });
    await t.memory.invalidate({ bucket: 0, documents: [{ id: "article:42", version: 18 }], scopes: [] });
    const seen = (version: number) => (context: FillContext) => {
      context.dependsOn("article:42", { version });
      return `from ${version}`;
    };
    expect(await t.cache.getOrSet("q", seen(17))).toMatchObject({ status: "refused", reason: "changed" });
    expect(await t.cache.getOrSet("q", seen(18))).toMatchObject({ status: "filled" });
  });

  test("an answer above maxResponseBytes is given, not kept, and warned of once", async () => {
    const warnings: unknown[] = [];
    const cache = t.another({ maxResponseBytes: 10, onWarning: (warning) => warnings.push(warning.code) });
    for (const query of ["a", "b"]) {
      const answer = await cache.getOrSet(query, () => "x".repeat(11));
      expect(answer).toMatchObject({ status: "uncached", reason: "too-large", response: "x".repeat(11) });
    }
    expect(warnings).toEqual(["response-too-large"]);
  });

  test("refresh fills even on a hit, and replaces the entry", async () => {
    await t.cache.getOrSet("q", () => "old");
    expect(await t.cache.getOrSet("q", () => "new", { refresh: true })).toMatchObject({ status: "filled" });
    expect(await t.cache.get("q")).toMatchObject({ response: "new" });
  });
});

describe("several callers of one process", () => {
  test("share one fill: the others get its answer as a hit", async () => {
    const { fill, fills, open } = shop();
    const answers = Array.from({ length: 20 }, () => t.cache.getOrSet("how much?", fill));
    await until(() => fills.length === 1);
    await settle();
    open(0);
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(statuses.filter((status) => status === "filled")).toHaveLength(1);
    expect(statuses.filter((status) => status === "hit")).toHaveLength(19);
    expect(fills).toHaveLength(1);
  });

  test("do not share between namespaces", async () => {
    const { fill, fills, open } = shop();
    const answers = [undefined, "docs", "docs:technical"].map((namespace) =>
      t.cache.getOrSet("q", fill, { namespace }),
    );
    await until(() => fills.length === 3);
    for (const index of [0, 1, 2]) open(index);
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(["filled", "filled", "filled"]);
  });

  test("a joiner never takes the answer of a refused commit (I9)", async () => {
    const { fill, fills, open, change } = shop();
    const owner = t.cache.getOrSet("how much?", fill);
    await until(() => fills.length === 1);
    fills[0]?.read.open();
    await until(() => fills[0]?.seen === "9.99");
    await change("10.99");
    // Comes after the acknowledged change, while the fill from before it still runs.
    const joiner = t.cache.getOrSet("how much?", fill);
    await settle();
    expect(fills).toHaveLength(1);
    fills[0]?.answer.open();
    await until(() => fills.length === 2);
    open(1);
    expect(await owner).toMatchObject({ response: "10.99", status: "filled" });
    expect(await joiner).toMatchObject({ response: "10.99", status: "hit" });
  });

  test("who joined during the last fill of a flight and finds it refused, fills with a lease of its own (I9)", async () => {
    const { fill, fills, open, change } = shop();
    const owner = t.cache.getOrSet("how much?", fill);
    await until(() => fills.length === 1);
    await change("10.99");
    open(0);
    await until(() => fills.length === 2);
    fills[1]?.read.open();
    await until(() => fills[1]?.seen === "10.99");
    await change("11.99");
    const joiner = t.cache.getOrSet("how much?", fill);
    await settle();
    fills[1]?.answer.open();
    expect(await owner).toMatchObject({ response: "10.99", status: "refused" });
    await until(() => fills.length === 3);
    open(2);
    expect(await joiner).toMatchObject({ response: "11.99", status: "filled" });
  });

  test("a refused answer is its owner's alone, even where others asked before the fill began (I9)", async () => {
    const cache = t.another({ maxConcurrentFills: 1, maxSources: 1 });
    const turn = latch();
    const busy = cache.getOrSet("busy", () => turn.opened.then(() => "done"));
    let fills = 0;
    const fill = (context: FillContext): number => {
      context.dependsOn(["article:1", "article:2"]);
      fills += 1;
      return fills;
    };
    const answers = [cache.getOrSet("q", fill), cache.getOrSet("q", fill)];
    await settle();
    turn.open();
    await busy;
    expect((await Promise.all(answers)).map(({ status, response }) => [status, response])).toEqual([
      ["refused", 1],
      ["refused", 2],
    ]);
  });

  test("a flight closes when its commit is sent: who comes later may come after a change (I9)", async () => {
    const { fill, fills, open, change } = shop();
    const executed = latch();
    const reply = latch();
    t.store.intercept("commit", async (proceed) => {
      t.store.restore("commit");
      const written = await proceed();
      executed.open();
      await reply.opened;
      return written;
    });
    const owner = t.cache.getOrSet("how much?", fill);
    await until(() => fills.length === 1);
    open(0);
    await executed.opened;
    // The commit was executed, its reply is under way. Now the document changes, and somebody asks.
    await change("10.99");
    const later = t.cache.getOrSet("how much?", fill);
    await until(() => fills.length === 2 || t.clock.sleeping > 2);
    reply.open();
    expect(await owner).toMatchObject({ response: "9.99", status: "filled" });
    await t.clock.advance(100);
    await until(() => fills.length === 2);
    open(1);
    expect(await later).toMatchObject({ response: "10.99" });
  });

  test("an answer that cannot be written is shared only with those who asked before its fill began", async () => {
    t.store.fail(outage);
    const { fill, fills, open } = shop();
    const cache = t.another({ maxConcurrentFills: 1 });
    const busy = cache.getOrSet("another question", fill);
    await until(() => fills.length === 1);
    const early = [cache.getOrSet("q", fill), cache.getOrSet("q", fill)];
    await settle();
    open(0);
    await until(() => fills.length === 2);
    const late = cache.getOrSet("q", fill);
    await settle();
    open(1);
    const answers = await Promise.all([busy, ...early]);
    expect(answers.map(({ status, reason }) => [status, reason])).toEqual(Array(3).fill(["uncached", "unavailable"]));
    await until(() => fills.length === 3);
    open(2);
    expect(await late).toMatchObject({ status: "uncached" });
  });

  test("a fill that throws: all who wait get the error unchanged, and the next caller fills", async () => {
    const failure = latch<string>();
    const fill = (): Promise<string> => failure.opened;
    const answers = [t.cache.getOrSet("q", fill), t.cache.getOrSet("q", fill)];
    await settle();
    const error = new Error("no model today");
    failure.fail(error);
    for (const answer of answers) await expect(answer).rejects.toBe(error);
    expect(await t.cache.getOrSet("q", () => "better")).toMatchObject({ status: "filled" });
  });

  test("a fill that was aborted by its own caller's means is no news to the others: one of them fills", async () => {
    const own = latch<string>();
    const owner = t.cache.getOrSet("q", () => own.opened);
    await settle();
    const joiner = t.cache.getOrSet("q", () => "theirs");
    await settle();
    own.fail(new DOMException("request gone", "AbortError"));
    await expect(owner).rejects.toThrow("request gone");
    expect(await joiner).toMatchObject({ response: "theirs", status: "filled" });
  });

  test("waiting is bounded: after fillWaitMs a joiner fills by itself", async () => {
    const { fill, fills, open } = shop();
    const owner = t.cache.getOrSet("q", fill);
    await until(() => fills.length === 1);
    const joiner = t.cache.getOrSet("q", fill);
    await settle();
    t.clock.advance(30_000);
    await until(() => fills.length === 2);
    open(1);
    expect(await joiner).toMatchObject({ status: "filled" });
    open(0);
    expect(await owner).toMatchObject({ status: "filled" });
  });

  test("a refresh does not take the answer of a fill that was under way", async () => {
    const { fill, fills, open } = shop();
    const owner = t.cache.getOrSet("q", fill);
    await until(() => fills.length === 1);
    const refresh = t.cache.getOrSet("q", fill, { refresh: true });
    await until(() => fills.length === 2);
    open(0);
    open(1);
    expect([(await owner).status, (await refresh).status]).toEqual(["filled", "filled"]);
  });

  test("at most maxConcurrentFills compute at a time, the others in the order of asking", async () => {
    const cache = t.another({ maxConcurrentFills: 2 });
    const { fill, fills, open } = shop();
    const answers = Array.from({ length: 5 }, (_, index) => cache.getOrSet(`q${index}`, fill));
    await until(() => fills.length === 2);
    await settle();
    expect(fills).toHaveLength(2);
    for (const index of [0, 1, 2, 3, 4]) {
      open(index);
      await until(() => fills.length === Math.min(5, index + 3));
    }
    expect((await Promise.all(answers)).every(({ status }) => status === "filled")).toBe(true);
  });
});

describe("giving up", () => {
  test("ends this caller's waiting only: the others get their answer", async () => {
    const { fill, fills, open } = shop();
    const gone = new AbortController();
    const owner = t.cache.getOrSet("q", fill, { signal: gone.signal });
    await until(() => fills.length === 1);
    const joiner = t.cache.getOrSet("q", fill);
    await settle();
    gone.abort(new Error("the user left"));
    await expect(owner).rejects.toThrow("the user left");
    open(0);
    expect(await joiner).toMatchObject({ status: "hit" });
  });

  test("aborts the fill when nobody waits any more", async () => {
    const gone = new AbortController();
    let signal: AbortSignal | undefined;
    const owner = t.cache.getOrSet(
      "q",
      (context) => {
        signal = context.signal;
        return new Promise<string>((_, reject) =>
          context.signal.addEventListener("abort", () => reject(new Error("stopped"))),
        );
      },
      { signal: gone.signal },
    );
    await until(() => signal !== undefined);
    gone.abort(new Error("the user left"));
    await expect(owner).rejects.toThrow("the user left");
    expect(signal?.aborted).toBe(true);
    expect(await t.cache.getOrSet("q", () => "again")).toMatchObject({ response: "again", status: "filled" });
  });

  test("a fill that ignores its signal holds nobody up: the next caller fills at once", async () => {
    const stuck = latch<string>();
    const gone = new AbortController();
    const owner = t.cache.getOrSet("q", () => stuck.opened, { signal: gone.signal });
    await settle();
    gone.abort(new Error("the user left"));
    await expect(owner).rejects.toThrow("the user left");
    expect(await t.cache.getOrSet("q", () => "fresh")).toMatchObject({ response: "fresh", status: "filled" });
    stuck.open("late");
    await settle();
  });

  test("an aborted signal ends the call before anything is asked", async () => {
    const call = t.cache.getOrSet("q", () => "a", { signal: AbortSignal.abort(new Error("too late")) });
    await expect(call).rejects.toThrow("too late");
    expect(t.store.calls).toEqual([]);
  });

  test("gives its place in the queue of fills back", async () => {
    const cache = t.another({ maxConcurrentFills: 1 });
    const { fill, fills, open } = shop();
    const first = cache.getOrSet("a", fill);
    await until(() => fills.length === 1);
    const gone = new AbortController();
    const queued = cache.getOrSet("b", fill, { signal: gone.signal });
    const third = cache.getOrSet("c", fill);
    await settle();
    gone.abort(new Error("the user left"));
    await expect(queued).rejects.toThrow("the user left");
    open(0);
    await first;
    await until(() => fills.length === 2);
    open(1);
    expect(await third).toMatchObject({ status: "filled" });
  });
});

describe("close", () => {
  test("tells those who wait, aborts fills that run, and stops renewing their locks", async () => {
    let signal: AbortSignal | undefined;
    const stuck = latch<string>();
    const answer = t.cache.getOrSet("q", (context) => {
      signal = context.signal;
      return stuck.opened;
    });
    await until(() => signal !== undefined);
    const joiner = t.cache.getOrSet("q", () => "b");
    await settle();
    const closing = t.cache.close();
    await expect(answer).rejects.toMatchObject({ code: "UNSTALE_CLOSED" });
    await expect(joiner).rejects.toMatchObject({ code: "UNSTALE_CLOSED" });
    await closing;
    expect(signal?.aborted).toBe(true);
    expect(t.clock.sleeping).toBe(0);
    stuck.open("too late");
    await settle();
  });
});
