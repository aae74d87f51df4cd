import { describe, expect, jest, test } from "@jest/globals";
import type { SourceNotice } from "../../../consumers/change-source.ts";
import { createLifecycle } from "../../../worker/lifecycle.ts";
import { createNotices } from "../../../worker/notices.ts";
import { countedMetrics, place, silent } from "./scene.ts";

function scene() {
  const lifecycle = createLifecycle({ conditions: ["kafka", "partitions"], onTransition: () => undefined });
  const metrics = countedMetrics();
  const onFailed = jest.fn();
  const notices = createNotices({ lifecycle, metrics, log: silent, onFailed });
  return { lifecycle, metrics, onFailed, notices, tell: (notice: SourceNotice) => notices.onNotice(notice) };
}

describe("what the source says", () => {
  test("joined makes it ready, once it is known where each partition begins", () => {
    const { lifecycle, notices, tell } = scene();
    tell({ kind: "joined", partitions: [place] });
    expect(lifecycle.state).toBe("starting");
    tell({ kind: "paused", partition: place, reason: "Valkey is away", forMs: 200 });
    expect(lifecycle.state).toBe("waiting");
    notices.onBegun([place]);
    expect(lifecycle.state).toBe("running");
    // A rebalance is no news; a new partition that cannot begin is.
    notices.onRevoked([place]);
    tell({ kind: "joined", partitions: [place] });
    expect(lifecycle.state).toBe("running");
    tell({ kind: "paused", partition: place, reason: "Valkey is away", forMs: 200 });
    expect(lifecycle.state).toBe("degraded");
  });

  test("a paused partition is a reason not to be ready, until it is resumed or not ours", () => {
    const { lifecycle, notices, tell } = scene();
    tell({ kind: "joined", partitions: [place] });
    notices.onBegun([place]);
    tell({ kind: "paused", partition: place, reason: "Valkey is away", forMs: 200 });
    expect(lifecycle).toMatchObject({
      state: "degraded",
      reason: "partitions: 1 paused, the first because Valkey is away",
    });
    expect(notices.paused).toBe(1);
    tell({ kind: "resumed", partition: place });
    expect(lifecycle.state).toBe("running");
    tell({ kind: "paused", partition: place, reason: "again", forMs: 200 });
    notices.onRevoked([place]);
    tell({ kind: "joined", partitions: [] });
    expect(lifecycle.state).toBe("running");
  });

  test.each<[string, SourceNotice]>([
    ["left the group", { kind: "left" }],
    ["connection lost", { kind: "disconnected", error: new Error("connection lost") }],
    ["restarting after: crash", { kind: "restarting", error: new Error("crash"), afterMs: 1, attempt: 1 }],
    ["topic a does not exist", { kind: "waiting", reason: "topic a does not exist" }],
  ])("%s is a reason not to be ready", (reason, notice) => {
    const { lifecycle, tell } = scene();
    tell({ kind: "joined", partitions: [] });
    tell(notice);
    expect(lifecycle).toMatchObject({ state: "degraded", reason: `kafka: ${reason}` });
    tell({ kind: "joined", partitions: [] });
    expect(lifecycle.state).toBe("running");
  });

  test("Kafka that answers again, without a rebalance, makes ready again", () => {
    const { lifecycle, tell } = scene();
    tell({ kind: "joined", partitions: [] });
    tell({ kind: "disconnected", error: new Error("a broker does not answer") });
    tell({ kind: "reconnected" });
    expect(lifecycle.state).toBe("running");
  });

  test("failed ends the worker", () => {
    const { lifecycle, onFailed, tell } = scene();
    const error = new Error("crashed too often");
    tell({ kind: "failed", error });
    expect(lifecycle.state).toBe("failed");
    expect(onFailed).toHaveBeenCalledWith(error);
  });

  test("dead letters are counted by reason; nothing else changes readiness", () => {
    const { lifecycle, metrics, notices, tell } = scene();
    tell({ kind: "joined", partitions: [place] });
    notices.onBegun([place]);
    tell({ kind: "dead-letter", partition: place, offset: 3n, reason: "not-json", detail: "7 bytes" });
    tell({ kind: "rebalancing" });
    tell({ kind: "committed", offsets: [{ ...place, offset: 4n }] });
    tell({ kind: "stalled", partition: place, offset: 4n });
    tell({ kind: "gap", partition: place, from: 4n, to: 9n, cause: "retention" });
    expect(metrics.total("deadLetters", { topic: "t", reason: "not-json" })).toBe(1);
    expect(lifecycle.state).toBe("running");
  });
});
