import { EventEmitter } from "node:events";
import { describe, expect, jest, test } from "@jest/globals";
import { stopOnSignals } from "../../../worker/shutdown.ts";
import { latch, settle } from "../../support/latch.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { silent } from "./scene.ts";

function scene() {
  const signals = new EventEmitter();
  const clock = new ManualClock();
  const exit = jest.fn();
  const stopped = latch();
  const stop = jest.fn((_: string) => stopped.opened);
  const release = stopOnSignals({ signals, stop, boundMs: 15_000, exit, clock, log: silent });
  return { signals, clock, exit, stop, stopped, release };
}

describe("a signal", () => {
  test.each(["SIGTERM", "SIGINT"])("%s ends the worker in order", async (signal) => {
    const { signals, clock, exit, stop, stopped } = scene();
    signals.emit(signal);
    expect(stop).toHaveBeenCalledWith(signal);
    stopped.open();
    await settle();
    expect(clock.sleeping).toBe(0);
    expect(exit).not.toHaveBeenCalled();
  });

  test("that takes too long to follow ends the process", async () => {
    const { signals, clock, exit } = scene();
    signals.emit("SIGTERM");
    clock.advance(14_999);
    await settle();
    expect(exit).not.toHaveBeenCalled();
    clock.advance(1);
    await settle();
    expect(exit.mock.calls).toEqual([[1]]);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ])("a second one, %s, ends the process at once", (signal, code) => {
    const { signals, exit, stop } = scene();
    signals.emit("SIGTERM");
    signals.emit(signal);
    expect(stop).toHaveBeenCalledTimes(1);
    expect(exit.mock.calls).toEqual([[code]]);
  });

  test("is nobody's business after the release", () => {
    const { signals, stop, release } = scene();
    release();
    expect(signals.listenerCount("SIGTERM") + signals.listenerCount("SIGINT")).toBe(0);
    expect(stop).not.toHaveBeenCalled();
  });
});
