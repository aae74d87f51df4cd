import { afterEach, expect, jest, test } from "@jest/globals";
import { type KafkaScene, type KafkaSceneOptions, openKafkaScene } from "../support/kafka-scene.ts";
import { latch } from "../support/latch.ts";
import { applied, type RecordingHandlers } from "../support/recording-handlers.ts";
import { describeWith } from "../support/services.ts";
import { waitFor } from "../support/wait-for.ts";

jest.setTimeout(60_000);

const scenes: KafkaScene[] = [];
const open = async (options?: KafkaSceneOptions): Promise<KafkaScene> => {
  const scene = await openKafkaScene(options);
  scenes.push(scene);
  return scene;
};
const event = (id: string): string => JSON.stringify({ id });
const events = (count: number, prefix = "article"): string[] =>
  Array.from({ length: count }, (_, index) => event(`${prefix}:${index}`));

afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

describeWith(["kafka"], "a group of Kafka sources", () => {
  test("a new group reads from the beginning; the next one goes on behind what was committed", async () => {
    const scene = await open();
    await scene.send(events(5));
    const first = await scene.started();
    await first.handlers.until(() => first.handlers.committed() === 5n);
    await first.source.stop({ drainMs: 1_000 });
    expect(await scene.committed()).toEqual([5n]);
    const second = await scene.started();
    await second.handlers.until(() => second.handlers.assigned.length === 1);
    await scene.send([event("later")]);
    await second.handlers.until(() => second.handlers.committed() === 6n);
    expect(second.handlers.ids).toEqual(["later"]);
    expect(second.handlers.assigned[0]).toMatchObject({ committed: 5n, low: 0n, end: 5n });
  });

  test("commits carry whose they are, and the next assignment sees it", async () => {
    const scene = await open();
    await scene.send(events(1));
    const first = await scene.started({}, { owner: "deployment-7" });
    await first.handlers.until(() => first.handlers.committed() === 1n);
    await first.source.stop({ drainMs: 1_000 });
    const second = await scene.started();
    await second.handlers.until(() => second.handlers.assigned.length === 1);
    expect(second.handlers.assigned[0]?.owner).toBe("deployment-7");
  });

  test("cuts slices of at most 500 changes, and holds no more than a few unsettled", async () => {
    const scene = await open();
    await scene.send(events(3_000));
    const door = latch();
    const { handlers } = await scene.started(
      { onSlice: () => ({ kind: "applied", settled: door.opened }) },
      { tuning: { maxUnsettledSlices: 3, roomWaitMs: 10, commitIntervalMs: 10 } },
    );
    await handlers.until(() => handlers.slices.length === 3);
    expect(handlers.slices.map(({ records }) => records)).toEqual([500, 500, 500]);
    door.open();
    await handlers.until(() => handlers.committed() === 3_000n);
    expect(new Set(handlers.ids).size).toBe(3_000);
    expect(handlers.ids).toHaveLength(3_000);
  });

  test("a slow partition does not hold up the others for longer than its slice", async () => {
    const scene = await open({ partitions: 2 });
    const door = latch();
    const { handlers } = await scene.started(
      {
        onSlice: async (slice) => {
          if (slice.partition === 0) await Promise.race([door.opened, rejection(slice.signal)]);
          return applied;
        },
      },
      { tuning: { sliceTimeoutMs: 200, retry: { baseMs: 20, maxMs: 50 }, commitIntervalMs: 10 } },
    );
    await scene.send([{ key: null, value: event("slow"), partition: 0 }]);
    await handlers.until(() => handlers.slices.length === 1);
    await scene.send([{ key: null, value: event("quick"), partition: 1 }]);
    await handlers.until(() => handlers.committed(1) === 1n);
    expect(handlers.noticesOf("paused")[0]?.reason).toMatch(/UNSTALE_SLICE_TIMEOUT/);
    door.open();
    await handlers.until(() => handlers.committed(0) === 1n);
  });

  test("two share the partitions; when one dies without a word, the other delivers what was not committed", async () => {
    const scene = await open({ partitions: 4 });
    const stuck = latch();
    const a = await scene.started({ onSlice: () => ({ kind: "applied", settled: stuck.opened }) });
    const b = await scene.started();
    await waitFor(() => a.source.owned().length === 2 && b.source.owned().length === 2);
    const mine = a.source.owned().map(({ partition }) => partition);
    const all = [0, 1, 2, 3].flatMap((partition) =>
      events(10, `p${partition}`).map((value) => ({ key: null, value, partition })),
    );
    await scene.send(all);
    await a.handlers.until(() => a.handlers.ids.length === 20);
    await b.handlers.until(() => b.handlers.ids.length === 20);
    // It stops with everything applied and nothing settled: as good as dead to the offsets.
    expect(await a.source.stop({ drainMs: 0 })).toEqual({ drained: false });
    await b.handlers.until(() => mine.every((partition) => b.handlers.committed(partition) === 10n));
    expect(new Set(b.handlers.ids).size).toBe(40);
    expect(await scene.committed()).toEqual([10n, 10n, 10n, 10n]);
    stuck.open();
  });

  test("members come and go under load: nothing is lost", async () => {
    const scene = await open({ partitions: 4 });
    const a = await scene.started();
    const seen = new Set<string>();
    const others: RecordingHandlers[] = [a.handlers];
    for (let round = 0; round < 3; round += 1) {
      await scene.send(
        events(200, `round${round}`).map((value, index) => ({ key: null, value, partition: index % 4 })),
      );
      const b = await scene.started();
      others.push(b.handlers);
      await waitFor(() => a.source.owned().length === 2);
      await b.source.stop({ drainMs: 2_000 });
      await waitFor(() => a.source.owned().length === 4);
    }
    await waitFor(async () => (await scene.committed()).every((offset) => offset === 150n));
    for (const { ids } of others) for (const id of ids) seen.add(id);
    expect(seen.size).toBe(600);
  });

  test("records for a partition that is not there are refused, and not dropped", async () => {
    const scene = await open();
    const sent = scene.send([{ key: null, value: event("a"), partition: 7 }]);
    await expect(sent).rejects.toMatchObject({ code: "UNSTALE_KAFKA_UNREACHABLE" });
  });

  test("carries distinct trace contexts", async () => {
    const scene = await open();
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const record = { key: null, value: event("a"), headers: { traceparent, tracestate: "a=b" } };
    await scene.send([record, record, event("b")]);
    const { handlers } = await scene.started();
    await handlers.until(() => handlers.ids.length === 3);
    expect(handlers.slices[0]?.traces).toEqual([{ traceparent, tracestate: "a=b" }]);
  });

  test("a partition that is added later is read from its beginning", async () => {
    const scene = await open();
    const { handlers, source } = await scene.started({}, { consumerTuning: { ...quickTuning, metadataMaxAgeMs: 100 } });
    await scene.admin.createPartitions({ topicPartitions: [{ topic: scene.topic, count: 2 }] });
    await waitFor(async () => (await scene.admin.fetchTopicOffsets(scene.topic).catch(() => [])).length === 2);
    await scene.send([{ key: null, value: event("early"), partition: 1 }]);
    await waitFor(() => source.owned().length === 2);
    await handlers.until(() => handlers.committed(1) === 1n);
    expect(handlers.ids).toEqual(["early"]);
  });
});

const quickTuning = { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 300, maxWaitMs: 100 };

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
