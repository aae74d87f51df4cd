import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { OffsetTracker, type Ticket } from "../../consumers/offset-tracker.ts";

/** The tracker as plainly as it can be said: all slices, and which of them have settled. */
interface Model {
  slices: { ticket: Ticket; settled: boolean }[];
  position: bigint;
  start: bigint;
}

type Run = { readonly tracker: OffsetTracker; readonly old: Ticket[] };

class Begin implements fc.Command<Model, Run> {
  readonly #skip: number;
  readonly #length: number;
  constructor(skip: number, length: number) {
    this.#skip = skip;
    this.#length = length;
  }
  check = (): boolean => true;
  run(model: Model, { tracker }: Run): void {
    const first = model.position + BigInt(this.#skip);
    const next = first + BigInt(this.#length);
    model.slices.push({ ticket: tracker.begin(first, next), settled: false });
    model.position = next;
    agree(model, tracker);
  }
  toString = (): string => `begin(+${this.#skip}, ${this.#length})`;
}

class Settle implements fc.Command<Model, Run> {
  readonly #index: number;
  constructor(index: number) {
    this.#index = index;
  }
  check = ({ slices }: Readonly<Model>): boolean => slices.length > 0;
  run(model: Model, { tracker }: Run): void {
    const slice = model.slices[this.#index % model.slices.length];
    if (slice === undefined) return;
    const before = watermark(model);
    slice.settled = true;
    expect(tracker.settle(slice.ticket)).toBe(watermark(model) !== before);
    agree(model, tracker);
  }
  toString = (): string => `settle(${this.#index})`;
}

class SettleForgotten implements fc.Command<Model, Run> {
  check = (): boolean => true;
  run(model: Model, { tracker, old }: Run): void {
    for (const ticket of old) expect(tracker.settle(ticket)).toBe(false);
    agree(model, tracker);
  }
  toString = (): string => "settle what was forgotten";
}

class Reset implements fc.Command<Model, Run> {
  readonly #offset: number;
  constructor(offset: number) {
    this.#offset = offset;
  }
  check = (): boolean => true;
  run(model: Model, { tracker, old }: Run): void {
    old.push(...model.slices.map(({ ticket }) => ticket));
    model.slices = [];
    model.start = BigInt(this.#offset);
    model.position = model.start;
    tracker.reset(model.start);
    agree(model, tracker);
  }
  toString = (): string => `reset(${this.#offset})`;
}

class Skip implements fc.Command<Model, Run> {
  readonly #offset: number;
  constructor(offset: number) {
    this.#offset = offset;
  }
  check = (): boolean => true;
  run(model: Model, { tracker }: Run): void {
    if (BigInt(this.#offset) > model.position) model.position = BigInt(this.#offset);
    tracker.skipTo(BigInt(this.#offset));
    agree(model, tracker);
  }
  toString = (): string => `skipTo(${this.#offset})`;
}

function watermark({ slices, start }: Model): bigint {
  const open = slices.findIndex(({ settled }) => !settled);
  const done = open === -1 ? slices : slices.slice(0, open);
  return done.at(-1)?.ticket.next ?? start;
}

function agree(model: Model, tracker: OffsetTracker): void {
  expect(tracker.watermark).toBe(watermark(model));
  expect(tracker.position).toBe(model.position);
  expect(tracker.unsettled).toBe(model.slices.filter(({ settled }) => !settled).length);
  for (const { ticket, settled } of model.slices) expect(tracker.holds(ticket)).toBe(!settled);
  // What must never be committed over: a slice that has not settled.
  for (const { ticket, settled } of model.slices)
    if (!settled) expect(tracker.watermark).toBeLessThanOrEqual(ticket.first);
}

test("the watermark is the end of the contiguous run of settled slices, whatever happens", () => {
  const commands = fc.commands([
    fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 5 })).map(([skip, length]) => new Begin(skip, length)),
    fc.nat(20).map((index) => new Settle(index)),
    fc.nat(100).map((offset) => new Reset(offset)),
    fc.nat(100).map((offset) => new Skip(offset)),
    fc.constant(new SettleForgotten()),
  ]);
  fc.assert(
    fc.property(commands, (steps) => {
      const setup = () => ({
        model: { slices: [], position: 7n, start: 7n },
        real: { tracker: new OffsetTracker(7n), old: [] },
      });
      fc.modelRun(setup, steps);
    }),
    { numRuns: 500 },
  );
});

test("a slice that does not come after those before is a bug of the caller", () => {
  const tracker = new OffsetTracker(5n);
  expect(() => tracker.begin(4n, 6n)).toThrow(RangeError);
  expect(() => tracker.begin(5n, 5n)).toThrow(RangeError);
});
