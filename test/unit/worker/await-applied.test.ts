import { describe, expect, test } from "@jest/globals";
import { cacheError, createMemoryStore } from "@unstale/cache-core";
import { awaitApplied } from "../../../worker/commands/await-applied.ts";
import { until } from "../../support/latch.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { scriptedStore } from "../../support/scripted-store.ts";
import { place } from "./scene.ts";

function scene() {
  const clock = new ManualClock();
  const store = scriptedStore(createMemoryStore({ clock }));
  const wait = awaitApplied({ store, buckets: 1, sent: [{ ...place, offset: 7n }], timeoutMs: 1_000, clock });
  let done = false;
  wait.then(
    () => (done = true),
    () => undefined,
  );
  const passTime = (): Promise<void> =>
    until(() => {
      clock.advance(50);
      return done;
    });
  return { clock, store, wait, passTime, isDone: () => done };
}

describe("waiting for the workers", () => {
  test("ends when the offset after the event was applied, not before", async () => {
    const { clock, store, wait, passTime, isDone } = scene();
    await store.attach({ bucket: 0, ...place, offset: 7 });
    await until(() => clock.sleeping > 0);
    clock.advance(50);
    await until(() => clock.sleeping > 0);
    expect(isDone()).toBe(false);
    await store.attach({ bucket: 0, ...place, offset: 8 });
    await passTime();
    await wait;
  });

  test("ends with an error that says what to do when nobody applies it", async () => {
    const { clock, wait } = scene();
    await until(() => clock.sleeping > 0);
    clock.advance(1_000);
    await expect(wait).rejects.toMatchObject({
      code: "UNSTALE_NOT_APPLIED",
      message: expect.stringMatching(/t\/0 at offset 7.*unstale run/),
    });
  });

  test("outlasts an outage of Valkey, but not its own time", async () => {
    const { clock, store, wait } = scene();
    store.fail(cacheError("UNSTALE_VALKEY_UNAVAILABLE", "down"));
    await until(() => clock.sleeping > 0);
    clock.advance(50);
    await until(() => clock.sleeping > 0);
    clock.advance(1_000);
    await expect(wait).rejects.toMatchObject({ code: "UNSTALE_VALKEY_UNAVAILABLE" });
  });
});
