import { describe, expect, test } from "@jest/globals";
import type { FillContext, SmartCache } from "@unstale/cache-core";
import fc from "fast-check";
import { type Latch, latch, settle } from "../support/latch.ts";
import { testCache } from "../support/smart-cache.ts";

/**
 * Callers of two processes ask one question while its document changes, in any order of: somebody asks, the document
 * changes (and the change is acknowledged), a fill reads the document, a fill answers, a reply of the store is held up
 * after its step was executed, replies are delivered, time passes.
 */
type Step =
  | { readonly kind: "ask"; readonly process: number; readonly refresh: boolean }
  | { readonly kind: "change" }
  | { readonly kind: "read" | "answer"; readonly fill: number }
  | { readonly kind: "hold"; readonly what: "read" | "commit" }
  | { readonly kind: "deliver" }
  | { readonly kind: "pass"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("ask" as const), process: fc.nat({ max: 1 }), refresh: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: "change" } as const) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom("read" as const, "answer" as const), fill: fc.nat({ max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(15, 200, 2_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("hold" as const),
      what: fc.constantFrom("read" as const, "commit" as const),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: "deliver" } as const) },
);

interface Fill {
  readonly read: Latch;
  readonly answer: Latch;
}

class World {
  readonly t = testCache({ maxConcurrentFills: 2 });
  readonly processes: readonly SmartCache[] = [this.t.cache, this.t.another()];
  readonly publisher = this.t.another();
  /** The document counts its changes; an answer is the count that its fill read. */
  version = 0;
  readonly open: Fill[] = [];
  readonly replies: Latch[] = [];
  readonly asked: Promise<{ readonly least: number; readonly got: number; readonly status: string }>[] = [];
  fills = 0;

  ask(process: number, refresh: boolean): void {
    const cache = this.processes[process];
    if (!cache) throw new Error("There are two processes.");
    // Every change so far was acknowledged before this call: an older answer would be stale.
    const least = this.version;
    const answer = cache.getOrSet("q", (context) => this.fill(context), { refresh });
    this.asked.push(answer.then(({ response, status }) => ({ least, got: response, status })));
  }

  async fill(context: FillContext): Promise<number> {
    const own = { read: latch(), answer: latch() };
    this.fills += 1;
    this.open.push(own);
    context.dependsOn("article:42");
    await own.read.opened;
    const seen = this.version;
    await own.answer.opened;
    this.open.splice(this.open.indexOf(own), 1);
    return seen;
  }

  /** The next step of this kind is executed, and its reply held until it is delivered. */
  hold(what: "read" | "commit"): void {
    const { store } = this.t;
    const held = async <T>(proceed: () => Promise<T>): Promise<T> => {
      store.restore(what);
      const reply = await proceed();
      const own = latch();
      this.replies.push(own);
      await own.opened;
      return reply;
    };
    if (what === "read") store.intercept("read", held);
    else store.intercept("commit", held);
  }

  deliver(): void {
    for (const reply of this.replies.splice(0)) reply.open();
  }

  async change(): Promise<void> {
    // The event follows the change: whoever reads in between reads the new text already.
    this.version += 1;
    await this.publisher.invalidateSource("article:42");
  }

  async take(next: Step): Promise<void> {
    if (next.kind === "ask") this.ask(next.process, next.refresh);
    if (next.kind === "change") await this.change();
    if (next.kind === "read" || next.kind === "answer") {
      const fill = this.open[next.fill % Math.max(1, this.open.length)];
      fill?.read.open();
      if (next.kind === "answer") fill?.answer.open();
    }
    if (next.kind === "hold") this.hold(next.what);
    if (next.kind === "deliver") this.deliver();
    if (next.kind === "pass") this.t.clock.advance(next.ms);
    await settle(4);
  }

  /** Lets everything end: every fill answers, time goes on. */
  async finish(): Promise<void> {
    let pending = this.asked.length;
    const ended = (): void => {
      pending -= 1;
    };
    for (const call of this.asked) void call.finally(ended);
    for (let turn = 0; turn < 400 && (pending > 0 || turn === 0); turn += 1) {
      this.t.store.restore();
      this.deliver();
      for (const fill of this.open) {
        fill.read.open();
        fill.answer.open();
      }
      await settle(4);
      this.t.clock.advance(500);
    }
    expect(pending).toBe(0);
  }
}

describe("any interleaving of callers, fills and acknowledged changes", () => {
  test("gives no caller an answer from before a change that was acknowledged before it asked (I9)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 40 }), async (steps) => {
        const world = new World();
        for (const next of steps) await world.take(next);
        await world.finish();
        for (const { least, got, status } of await Promise.all(world.asked)) {
          expect({ got, status, fresh: got >= least }).toMatchObject({ fresh: true });
        }
        const kept = await world.publisher.get<number>("q");
        if (kept.hit) expect(kept.response).toBe(world.version);
        expect(await world.t.end()).toBe(0);
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  test("fills no more often than there are callers and refusals", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 30 }), async (callers) => {
        const world = new World();
        for (let caller = 0; caller < callers; caller += 1) world.ask(caller % 2, false);
        await settle(6);
        await world.finish();
        expect(world.fills).toBe(1);
        const statuses = (await Promise.all(world.asked)).map(({ status }) => status);
        expect(statuses.filter((status) => status === "filled")).toHaveLength(1);
        expect(statuses.filter((status) => status === "hit")).toHaveLength(callers - 1);
        await world.t.end();
      }),
      { numRuns: 30 },
    );
  }, 60_000);
});
