import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { type CacheStore, createMemoryStore, type FillContext, SmartCache } from "@unstale/cache-core";
import { Flight, Flights } from "../../../cache-core/single-flight.ts";
import { everyOrder, type Scene } from "../../support/every-order.ts";
import { type Latch, latch, settle } from "../../support/latch.ts";
import { ManualClock } from "../../support/manual-clock.ts";

interface Plan {
  /** Who asks, in this order: the process of each caller. */
  readonly callers: readonly string[];
  readonly changes: number;
  /** Steps whose reply arrives at a moment of its own; the others are one move. */
  readonly late: readonly ("read" | "commit")[];
  /** How often time may pass at a moment of its own choice. Where nothing else can happen it passes anyway. */
  readonly passes?: number;
}

/** Asked when `least` changes were acknowledged. */
interface Asked {
  readonly least: number;
  readonly got: Promise<number>;
}

/**
 * The real `SmartCache` in several processes, one question about one document. Moves: somebody asks; a call of the store is
 * executed; its reply arrives; a fill reads the document, and answers; the document changes and that is acknowledged; time passes.
 */
class SharedFills implements Scene {
  readonly #clock = new ManualClock();
  readonly #memory = createMemoryStore({ clock: this.#clock });
  readonly #held = new Map<string, Latch>();
  readonly #caches = new Map<string, SmartCache>();
  readonly #asked: Asked[] = [];
  readonly #plan: Plan;
  #answered = 0;
  #version = 0;
  #passes: number;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#passes = plan.passes ?? 0;
    for (const process of new Set(plan.callers)) {
      const store = this.#gated(process);
      this.#caches.set(process, new SmartCache({ store, clock: this.#clock, onWarning: () => undefined }));
    }
  }

  moves(): readonly string[] {
    const moves = [...this.#held.keys()];
    const caller = this.#asked.length;
    if (caller < this.#plan.callers.length) moves.push(`caller${caller} asks`);
    if (this.#version < this.#plan.changes) moves.push(`editor${this.#version} changes`);
    const waits = this.#answered < this.#asked.length;
    if (waits && (this.#passes > 0 || moves.length === 0)) moves.push("time passes");
    return moves;
  }

  async take(move: string): Promise<void> {
    const held = this.#held.get(move);
    if (held) {
      this.#held.delete(move);
      held.open();
    } else if (move.startsWith("editor")) await this.#change();
    else if (move === "time passes") this.#pass();
    else this.#ask();
    await settle(1);
  }

  async judge(): Promise<void> {
    for (const { least, got } of this.#asked) expect(await got).toBeGreaterThanOrEqual(least);
    const reader = new SmartCache({ store: this.#memory, clock: this.#clock });
    const kept = await reader.get<number>("q");
    if (kept.hit) expect(kept.response).toBeGreaterThanOrEqual(this.#version);
    await Promise.all([reader, ...this.#caches.values()].map((cache) => cache.close()));
    expect(this.#clock.sleeping).toBe(0);
  }

  #ask(): void {
    const process = this.#plan.callers[this.#asked.length] ?? "";
    const cache = this.#caches.get(process);
    if (!cache) throw new Error("Nobody is left to ask.");
    const answer = cache.getOrSet("q", (context) => this.#fill(process, context));
    const got = answer.then(({ response }) => {
      this.#answered += 1;
      return response;
    });
    got.catch(() => undefined);
    this.#asked.push({ least: this.#version, got });
  }

  async #fill(process: string, context: FillContext): Promise<number> {
    context.dependsOn("article:42");
    await this.#hold(`${process} source`);
    const seen = this.#version;
    await this.#hold(`${process} answer`);
    return seen;
  }

  /** The change, and at once its acknowledgement: whoever asks later wants the new text. */
  async #change(): Promise<void> {
    this.#version += 1;
    await this.#memory.invalidate({ bucket: 0, documents: [{ id: "article:42" }], scopes: [] });
  }

  #pass(): void {
    if (this.#passes > 0) this.#passes -= 1;
    // Longer than a look-up may take and than anybody sleeps between two of them.
    this.#clock.advance(600);
  }

  #hold(name: string): Promise<void> {
    let number = 1;
    while (this.#held.has(`${name} ${number}`)) number += 1;
    const own = latch();
    this.#held.set(`${name} ${number}`, own);
    return own.opened;
  }

  #gated(process: string): CacheStore {
    const memory = this.#memory;
    const held =
      <Q, A>(name: "read" | "commit", step: (request: Q) => Promise<A>) =>
      async (request: Q): Promise<A> => {
        await this.#hold(`${process} ${name}`);
        const reply = await step(request);
        if (this.#plan.late.includes(name)) await this.#hold(`${process} ${name}-reply`);
        return reply;
      };
    return {
      ...memory,
      read: held("read", (request) => memory.read(request)),
      commit: held("commit", (request) => memory.commit(request)),
    };
  }
}

const oneProcess: Plan = { callers: ["one", "one"], changes: 1, late: ["commit"] };
const every = Number.POSITIVE_INFINITY;

describe("getOrSet, in every order of callers, calls, replies and acknowledged changes (I9)", () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  test.each<[string, Plan, number]>([
    ["two callers of one process", oneProcess, every],
    ["two callers of one process, replies to look-ups are late", { ...oneProcess, late: ["read"] }, 0],
    ["two callers of one process, two changes", { ...oneProcess, changes: 2 }, 1],
    ["two processes", { ...oneProcess, callers: ["one", "two"] }, 2],
    ["two processes, all replies are late", { callers: ["one", "two"], changes: 1, late: ["read", "commit"] }, 1],
    ["two processes, time passes", { ...oneProcess, callers: ["one", "two"], passes: 1 }, 0],
    ["two processes, three callers", { ...oneProcess, callers: ["one", "two", "one"] }, 0],
  ])(
    "%s",
    async (name, plan, interruptions) => {
      const { runs, moves } = await everyOrder(() => new SharedFills(plan), interruptions);
      console.log(`${name}: ${runs} orders, of up to ${moves} moves`);
      expect(runs).toBeGreaterThan(100);
    },
    120_000,
  );

  // A first refusal is mended by a second fill that all share, so it takes two changes to land a refused answer.
  test("convicts a flight that gives a refused answer to those who joined", async () => {
    landOnAll();
    await expect(everyOrder(() => new SharedFills({ ...oneProcess, changes: 2 }), 2)).rejects.toThrow(
      /editor0 changes/,
    );
  }, 120_000);

  test("convicts a flight that takes callers after its commit was sent", async () => {
    landOnAll();
    jest.spyOn(Flights.prototype, "close").mockReturnValue(undefined);
    await expect(everyOrder(() => new SharedFills(oneProcess))).rejects.toThrow(/editor0 changes/);
  }, 120_000);
});

function landOnAll(): void {
  const land = Flight.prototype.land;
  jest.spyOn(Flight.prototype, "land").mockImplementation(function everybody(this: Flight<unknown>, outcome) {
    land.call(this, outcome, this.arrivals);
  });
}
