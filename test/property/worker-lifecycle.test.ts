import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { createLifecycle, events, type Lifecycle, states, transitions } from "../../worker/lifecycle.ts";

test("every state knows what to do about every event", () => {
  for (const state of states) {
    for (const event of events) expect(states).toContain(transitions[state][event]);
  }
});

test("the ends are final, and every other state can end", () => {
  for (const event of events) {
    expect(transitions.stopped[event]).toBe("stopped");
    expect(transitions.failed[event]).toBe("failed");
  }
  for (const state of states.filter((each) => each !== "failed" && each !== "stopped")) {
    expect(transitions[state].drained).toBe("stopped");
    expect(["draining", "stopped"]).toContain(transitions[state].stop);
  }
});

/** What a reader of the table's header would expect, said in another way than the table says it. */
interface Model {
  readonly well: Map<string, boolean>;
  everReady: boolean;
  stopAsked: boolean;
  end: "stopped" | "failed" | undefined;
}

const names = ["valkey", "kafka"];

class Report implements fc.Command<Model, Lifecycle> {
  readonly name: string;
  readonly well: boolean;
  constructor(name: string, well: boolean) {
    this.name = name;
    this.well = well;
  }
  check(): boolean {
    return true;
  }
  run(model: Model, real: Lifecycle): void {
    if (this.well) real.met(this.name, "well");
    else real.unmet(this.name, "not well");
    model.well.set(this.name, this.well);
    if (names.every((name) => model.well.get(name)) && !model.stopAsked && !model.end) model.everReady = true;
    expectState(model, real);
  }
  toString(): string {
    return `${this.name} is ${this.well ? "" : "not "}well`;
  }
}

class Happen implements fc.Command<Model, Lifecycle> {
  readonly event: "stop" | "drained" | "fail";
  constructor(event: "stop" | "drained" | "fail") {
    this.event = event;
  }
  check(): boolean {
    return true;
  }
  run(model: Model, real: Lifecycle): void {
    real.happen(this.event, "asked to");
    if (model.end === undefined) {
      if (this.event === "stop") model.stopAsked = true;
      if (this.event === "drained") model.end = "stopped";
      if (this.event === "fail" && !model.stopAsked) model.end = "failed";
    }
    expectState(model, real);
  }
  toString(): string {
    return this.event;
  }
}

function expectState(model: Model, real: Lifecycle): void {
  const known = names.filter((name) => model.well.has(name));
  const unwell = known.some((name) => !model.well.get(name));
  const allWell = known.length === names.length && !unwell;
  const open = model.everReady ? (allWell ? "running" : "degraded") : unwell ? "waiting" : undefined;
  const expected = model.end ?? (model.stopAsked ? "draining" : open);
  // Before anything is known, or between a first recovery and the next look, it stays where it was.
  if (expected === undefined) expect(["starting", "waiting"]).toContain(real.state);
  else expect(real.state).toBe(expected);
}

describe("the life of a worker", () => {
  test("follows its model through any sequence of events", () => {
    const commands = [
      fc.tuple(fc.constantFrom(...names), fc.boolean()).map(([name, well]) => new Report(name, well)),
      fc.constantFrom("stop" as const, "drained" as const, "fail" as const).map((event) => new Happen(event)),
    ];
    fc.assert(
      fc.property(fc.commands(commands, { maxCommands: 40 }), (run) => {
        const transitionsSeen: string[] = [];
        const setup = (): { model: Model; real: Lifecycle } => ({
          model: { well: new Map(), everReady: false, stopAsked: false, end: undefined },
          real: createLifecycle({
            conditions: names,
            onTransition: ({ from, to }) => transitionsSeen.push(`${from} ${to}`),
          }),
        });
        fc.modelRun(setup, run);
        expect(transitionsSeen.every((seen) => seen.split(" ")[0] !== seen.split(" ")[1])).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("says why it is not ready, and keeps that up to date", () => {
    const lifecycle = createLifecycle({ conditions: names, onTransition: () => undefined });
    lifecycle.unmet("valkey", "connection refused");
    expect(lifecycle.reason).toBe("valkey: connection refused");
    lifecycle.unmet("kafka", "no broker");
    expect(lifecycle.reason).toBe("valkey: connection refused; kafka: no broker");
    lifecycle.met("valkey", "answers");
    expect(lifecycle).toMatchObject({ state: "waiting", reason: "kafka: no broker" });
    lifecycle.met("kafka", "joined");
    expect(lifecycle.state).toBe("running");
  });
});
