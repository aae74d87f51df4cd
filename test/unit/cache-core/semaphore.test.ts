import { describe, expect, test } from "@jest/globals";
import { Semaphore } from "../../../cache-core/semaphore.ts";
import { settle } from "../../support/latch.ts";

describe("a semaphore", () => {
  test("hands permits out in the order of asking, and never more than it has", async () => {
    const semaphore = new Semaphore(2);
    const order: number[] = [];
    const releases = new Map<number, () => void>();
    for (const index of [0, 1, 2, 3]) {
      void semaphore.acquire().then((release) => {
        order.push(index);
        releases.set(index, release);
      });
    }
    await settle();
    expect(order).toEqual([0, 1]);
    expect(semaphore.waiting).toBe(2);
    releases.get(1)?.();
    await settle();
    expect(order).toEqual([0, 1, 2]);
    releases.get(0)?.();
    await settle();
    expect(order).toEqual([0, 1, 2, 3]);
  });

  test("a permit that is given back twice counts once", async () => {
    const semaphore = new Semaphore(1);
    const release = await semaphore.acquire();
    release();
    release();
    expect(semaphore.tryAcquire()).toBeDefined();
    expect(semaphore.tryAcquire()).toBeUndefined();
  });

  test("whoever tries does not overtake who waits", async () => {
    const semaphore = new Semaphore(1);
    const release = await semaphore.acquire();
    const waiting = semaphore.acquire();
    release();
    expect(semaphore.tryAcquire()).toBeUndefined();
    (await waiting)();
    expect(semaphore.tryAcquire()).toBeDefined();
  });

  test("who gives up leaves the queue, and takes no permit along", async () => {
    const semaphore = new Semaphore(1);
    const release = await semaphore.acquire();
    const gone = new AbortController();
    const quitter = semaphore.acquire(gone.signal);
    const patient = semaphore.acquire();
    gone.abort(new Error("left"));
    await expect(quitter).rejects.toThrow("left");
    expect(semaphore.waiting).toBe(1);
    release();
    expect(await patient).toBeDefined();
    await expect(semaphore.acquire(AbortSignal.abort(new Error("too late")))).rejects.toThrow("too late");
  });
});
