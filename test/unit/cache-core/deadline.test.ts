import { describe, expect, test } from "@jest/globals";
import { Deadline } from "../../../cache-core/deadline.ts";
import { latch, settle } from "../../support/latch.ts";
import { ManualClock } from "../../support/manual-clock.ts";

describe("a deadline", () => {
  test("gives what the work gives, and leaves no timer behind", async () => {
    const clock = new ManualClock();
    const deadline = new Deadline({ clock, ms: 100 });
    expect(await deadline.bound(async () => "done")).toBe("done");
    await expect(deadline.bound(() => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
    await settle();
    expect(clock.sleeping).toBe(0);
  });

  test("ends each work at its own time by one timer", async () => {
    const clock = new ManualClock();
    const deadline = new Deadline({ clock, ms: 100 });
    const ended: string[] = [];
    const late = (name: string): Promise<unknown> =>
      deadline.bound(() => new Promise(() => undefined)).catch((error) => ended.push(`${name} ${error.code}`));
    const first = late("first");
    clock.advance(60);
    const second = late("second");
    expect(clock.sleeping).toBe(1);
    clock.advance(40);
    await first;
    expect(ended).toEqual(["first UNSTALE_VALKEY_UNAVAILABLE"]);
    await settle();
    clock.advance(60);
    await second;
    expect(ended).toHaveLength(2);
    expect(clock.sleeping).toBe(0);
  });

  test("watches what begins after the oldest has ended", async () => {
    const clock = new ManualClock();
    const deadline = new Deadline({ clock, ms: 100 });
    const oldest = latch();
    const done = deadline.bound(() => oldest.opened);
    clock.advance(50);
    const next = deadline.bound(() => new Promise(() => undefined));
    oldest.open();
    await done;
    clock.advance(50);
    await settle();
    clock.advance(50);
    await expect(next).rejects.toMatchObject({ code: "UNSTALE_VALKEY_UNAVAILABLE" });
    expect(clock.sleeping).toBe(0);
  });
});
