// What every ChangeSource promises (`consumers/change-source.ts`), as tests that run against each implementation.
import { afterEach, describe, expect, test } from "@jest/globals";
import type { ChangeSource, Slice } from "../../consumers/change-source.ts";
import { type Latch, latch } from "../support/latch.ts";
import { applied, idsOf, RecordingHandlers, type RecordingHandlersOptions } from "../support/recording-handlers.ts";

export interface SourceScene {
  readonly source: ChangeSource;
  readonly topic: string;
  /** Puts records into partition 0; resolves when the source can read them, not when it has. */
  send(...values: readonly string[]): Promise<void>;
  /** Reasons of dead letters so far. */
  deadLetters(): Promise<readonly string[]>;
  close(): Promise<void>;
}

const event = (id: string): string => JSON.stringify({ id });

export function changeSourceContract(name: string, open: () => Promise<SourceScene>): void {
  describe(`ChangeSource: ${name}`, () => {
    const scenes: SourceScene[] = [];

    const started = async (options: RecordingHandlersOptions = {}) => {
      const scene = await open();
      scenes.push(scene);
      const handlers = new RecordingHandlers(options);
      await scene.source.start(handlers);
      return { ...scene, handlers };
    };

    afterEach(async () => {
      for (const scene of scenes.splice(0)) {
        await scene.source.stop({ drainMs: 0 });
        await scene.close();
      }
    });

    test("start resolves when it has joined, and asks where to begin before the first slice", async () => {
      const { source, topic, handlers } = await started();
      expect(source.owned()).toEqual([{ topic, partition: 0 }]);
      await handlers.until(() => handlers.assigned.length === 1);
      expect(handlers.assigned).toEqual([{ topic, partition: 0, low: 0n, end: 0n }]);
      expect(handlers.slices).toEqual([]);
    });

    test("delivers in the order of offsets, with positions and times", async () => {
      const { handlers, send } = await started();
      const ids = Array.from({ length: 50 }, (_, index) => `article:${index}`);
      await send(...ids.map(event));
      await handlers.until(() => handlers.ids.length >= 50);
      expect(handlers.ids).toEqual(ids);
      const offsets = handlers.slices.flatMap((slice) => slice.changes.map(({ offset }) => offset));
      expect(offsets).toEqual(ids.map((_, index) => BigInt(index)));
      for (const { occurredAt } of handlers.slices.flatMap((slice) => slice.changes)) {
        expect(occurredAt).toBeGreaterThan(0);
      }
    });

    test("tells where the log ends, and no more once it was stopped", async () => {
      const { source, topic, send, handlers } = await started();
      expect(await source.ends()).toEqual([{ topic, partition: 0, offset: 0n }]);
      await send(event("a"), event("b"));
      expect(await source.ends()).toEqual([{ topic, partition: 0, offset: 2n }]);
      await handlers.until(() => handlers.ids.length === 2);
      await source.stop({ drainMs: 1_000 });
      await expect(source.ends()).rejects.toMatchObject({ code: "UNSTALE_SOURCE_STOPPED" });
    });

    test("commits only what has settled, and then all of it", async () => {
      const door = latch();
      const { handlers, send, source } = await started({
        onSlice: () => ({ kind: "applied", settled: door.opened }),
      });
      await send(event("a"), event("b"));
      await handlers.until(() => handlers.ids.length === 2);
      expect(handlers.noticesOf("committed")).toEqual([]);
      door.open();
      await handlers.until(() => handlers.committed() === 2n);
      expect((await source.lag())[0]).toMatchObject({ committed: 2n, end: 2n, lag: 0n });
    });

    test("settles in any order; the committed offset never passes an unsettled slice", async () => {
      const doors = new Map<string, Latch>();
      const { handlers, send } = await started({
        onSlice: (slice) => {
          const door = latch();
          for (const id of idsOf(slice)) doors.set(id, door);
          return { kind: "applied", settled: door.opened };
        },
      });
      for (const id of ["a", "b", "c"]) {
        await send(event(id));
        await handlers.until(() => handlers.ids.includes(id));
      }
      doors.get("c")?.open();
      doors.get("b")?.open();
      await send(event("d"));
      await handlers.until(() => handlers.ids.includes("d"));
      expect(handlers.noticesOf("committed")).toEqual([]);
      doors.get("a")?.open();
      await handlers.until(() => handlers.committed() === 3n);
    });

    test("the next slice waits until this one is applied", async () => {
      const door = latch();
      const { handlers, send } = await started({
        onSlice: async (slice) => {
          if (idsOf(slice).includes("a")) await door.opened;
          return applied;
        },
      });
      await send(event("a"));
      await handlers.until(() => handlers.slices.length === 1);
      await send(event("b"));
      expect(handlers.slices).toHaveLength(1);
      door.open();
      await handlers.until(() => handlers.ids.length === 2);
      expect(handlers.ids).toEqual(["a", "b"]);
    });

    test("a slice that could not be applied is delivered again, and nothing behind it before", async () => {
      let failures = 2;
      const { handlers, send } = await started({
        onSlice: (slice) => {
          if (!idsOf(slice).includes("a") || failures === 0) return applied;
          failures -= 1;
          return { kind: "retry", afterMs: 5, reason: "valkey is down" };
        },
      });
      await send(event("a"), event("b"));
      await handlers.until(() => handlers.committed() === 2n);
      expect(handlers.ids).toEqual(["a", "b"]);
      expect(handlers.noticesOf("paused").map(({ reason }) => reason)).toEqual(["valkey is down", "valkey is down"]);
      expect(handlers.noticesOf("resumed")).toHaveLength(2);
    });

    test("a handler that throws is a retry with a backoff of the source's own", async () => {
      const { handlers, send } = await started({
        onSlice: (_, attempt) => {
          if (attempt === 1) throw new TypeError("a bug");
          return applied;
        },
      });
      await send(event("a"));
      await handlers.until(() => handlers.committed() === 1n);
      expect(handlers.noticesOf("paused")[0]?.reason).toBe("a bug");
    });

    test("a slice that does not settle is delivered again, with what was unsettled before it", async () => {
      const first = latch();
      const { handlers, send } = await started({
        onSlice: (slice, attempt) => {
          if (idsOf(slice)[0] === "a" && attempt === 1) return { kind: "applied", settled: first.opened };
          if (attempt === 2) return { kind: "applied", settled: Promise.reject(new Error("drain failed")) };
          return applied;
        },
      });
      await send(event("a"));
      await handlers.until(() => handlers.ids.length === 1);
      await send(event("b"));
      await handlers.until(() => handlers.committed() === 2n);
      expect(handlers.ids.slice(0, 2)).toEqual(["a", "b"]);
      expect(new Set(handlers.ids.slice(2))).toEqual(new Set(["a", "b"]));
      first.open();
    });

    test("a rewind delivers again from its offset", async () => {
      const { handlers, send } = await started({
        onSlice: (_, attempt) => (attempt === 2 ? { kind: "rewind", offset: 0n } : applied),
      });
      await send(event("a"));
      await handlers.until(() => handlers.committed() === 1n);
      await send(event("b"));
      await handlers.until(() => handlers.committed() === 2n);
      expect(handlers.ids).toEqual(["a", "a", "b"]);
    });

    test("seek delivers again, and aborts what was under way", async () => {
      const { handlers, send, source, topic } = await started({
        onSlice: (slice, attempt) =>
          attempt === 1 ? { kind: "applied", settled: settledUnless(slice.signal) } : applied,
      });
      await send(event("a"), event("b"));
      await handlers.until(() => handlers.ids.length === 2);
      source.seek({ topic, partition: 0, offset: 0n });
      await handlers.until(() => handlers.committed() === 2n);
      expect(handlers.slices[0]?.signal.aborted).toBe(true);
      expect(handlers.ids).toEqual(["a", "b", "a", "b"]);
    });

    test("while onAssigned rejects nothing is delivered; then it begins where it was told", async () => {
      const door = latch();
      const { handlers, send, topic } = await started({
        onAssigned: async () => {
          if (handlers_.assigned.length < 3) throw new Error("no store");
          await door.opened;
          return [{ topic, partition: 0, offset: 1n }];
        },
      });
      const handlers_ = handlers;
      await send(event("a"), event("b"));
      await handlers.until(() => handlers.assigned.length >= 3);
      expect(handlers.slices).toEqual([]);
      door.open();
      await handlers.until(() => handlers.committed() === 2n);
      expect(handlers.ids).toEqual(["b"]);
    });

    test("what cannot be read is a dead letter with its reason, and the rest goes on", async () => {
      const { handlers, send, deadLetters } = await started();
      await send(event("a"), "not json", '{"ids":[]}', event("b"));
      await handlers.until(() => handlers.committed() === 4n);
      expect(handlers.ids).toEqual(["a", "b"]);
      expect(handlers.noticesOf("dead-letter").map(({ reason }) => reason)).toEqual(["not-json", "no-id"]);
      expect(await deadLetters()).toEqual(["not-json", "no-id"]);
    });

    test("a record that yields nothing is handed over all the same, for its offset", async () => {
      const { handlers, send } = await started();
      await send("not json");
      await handlers.until(() => handlers.committed() === 1n);
      expect(handlers.slices[0]).toMatchObject({ first: 0n, next: 1n, records: 1, changes: [] });
    });

    test("stop waits for what is under way, commits it, and can be asked twice", async () => {
      const door = latch();
      const { handlers, send, source } = await started({
        onSlice: () => ({ kind: "applied", settled: door.opened }),
      });
      await send(event("a"));
      await handlers.until(() => handlers.ids.length === 1);
      const stops = [source.stop({ drainMs: 20_000 }), source.stop({ drainMs: 0 })];
      door.open();
      expect(await Promise.all(stops)).toEqual([{ drained: true }, { drained: true }]);
      expect(handlers.committed()).toBe(1n);
      expect(source.owned()).toEqual([]);
      expect(handlers.noticesOf("left")).toHaveLength(1);
    });

    test("stop does not wait longer than it was told, and aborts what it leaves", async () => {
      const { handlers, send, source } = await started({
        onSlice: (slice) => ({ kind: "applied", settled: settledUnless(slice.signal) }),
      });
      await send(event("a"));
      await handlers.until(() => handlers.ids.length === 1);
      expect(await source.stop({ drainMs: 10 })).toEqual({ drained: false });
      expect(handlers.slices[0]?.signal.aborted).toBe(true);
      expect(handlers.noticesOf("committed")).toEqual([]);
    });

    test("a source is started once", async () => {
      const { source, handlers } = await started();
      await expect(source.start(handlers)).rejects.toMatchObject({ code: "UNSTALE_SOURCE_STARTED" });
    });
  });
}

/** Settles never; rejects when the slice is aborted, as a handler should. */
function settledUnless(signal: Slice["signal"]): Promise<void> {
  const settled = new Promise<void>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  settled.catch(() => {});
  return settled;
}
