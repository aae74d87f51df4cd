import { afterEach, expect, jest, test } from "@jest/globals";
import { type KafkaScene, openKafkaScene } from "../support/kafka-scene.ts";
import { applied } from "../support/recording-handlers.ts";
import { describeWith } from "../support/services.ts";
import { waitFor } from "../support/wait-for.ts";

jest.setTimeout(120_000);

const scenes: KafkaScene[] = [];
afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

async function open(): Promise<KafkaScene> {
  const scene = await openKafkaScene();
  scenes.push(scene);
  return scene;
}

const event = (id: string): string => JSON.stringify({ id });
const events = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => event(`${name}:${index}`));

/** Deletes the topic, makes it anew, and fills it beyond where it ended. */
async function replace(scene: KafkaScene, fill: readonly string[]): Promise<void> {
  // Its last step, a look at topics that it has just deleted, may fail.
  await scene.admin.deleteTopics({ topics: [scene.topic] }).catch(() => {});
  await waitFor(() =>
    scene.createTopic().then(
      () => true,
      () => false,
    ),
  );
  await waitFor(() =>
    scene.send(fill).then(
      () => true,
      () => false,
    ),
  );
}

describeWith(["kafka"], "a topic that was made anew and filled beyond our position", () => {
  test("while the source ran: a gap, and its events from the first on", async () => {
    const scene = await open();
    await scene.send(events("old", 5));
    const { handlers } = await scene.started({}, { owner: "d1" });
    await handlers.until(() => handlers.committed() === 5n);
    await replace(scene, events("new", 20));
    await handlers.until(() => handlers.ids.includes("new:0") && handlers.ids.includes("new:19"), 60_000);
    expect(handlers.gaps).toContainEqual({
      partition: { topic: scene.topic, partition: 0 },
      from: expect.any(BigInt),
      to: 0n,
      cause: "recreated",
    });
    await handlers.until(() => handlers.committed() === 20n);
  });

  test("while a partition was held: nothing of the old log is delivered, all of the new one is", async () => {
    const scene = await open();
    await scene.send(events("old", 5));
    let held = true;
    const { handlers } = await scene.started(
      { onSlice: () => (held ? { kind: "retry", afterMs: 100, reason: "held by the test" } : applied) },
      { owner: "d1" },
    );
    await handlers.until(() => handlers.noticesOf("paused").length > 0);
    await replace(scene, events("new", 20));
    await handlers.until(() => handlers.gaps.length > 0, 60_000);
    held = false;
    await handlers.until(() => handlers.committed() === 20n, 60_000);
    expect(handlers.ids).toContain("new:0");
  });

  test("while it was away: Kafka forgot its offsets, so nothing is committed, and it is asked where to begin", async () => {
    const scene = await open();
    await scene.send(events("old", 5));
    const first = await scene.started({}, { owner: "d1" });
    await first.handlers.until(() => first.handlers.committed() === 5n);
    await first.source.stop({ drainMs: 1_000 });
    await replace(scene, events("new", 20));
    const second = await scene.started({}, { owner: "d1" });
    await second.handlers.until(() => second.handlers.committed() === 20n);
    expect(second.handlers.ids).toHaveLength(20);
    expect(second.handlers.assigned[0]?.committed).toBeUndefined();
  });

  test("and an offset that a tool has set since does not hide it", async () => {
    const scene = await open();
    await scene.send(events("old", 5));
    const first = await scene.started({}, { owner: "d1" });
    await first.handlers.until(() => first.handlers.committed() === 5n);
    await first.source.stop({ drainMs: 1_000 });
    const committed = async (): Promise<{ offset?: string; metadata?: string | null }> => {
      const [answer] = await scene.admin.fetchOffsets({ groupId: scene.groupId, topics: [scene.topic] });
      return answer?.partitions[0] ?? {};
    };
    expect((await committed()).metadata).toMatch(/^unstale\/1 d1 [\w-]{22}$/);
    await replace(scene, events("new", 20));
    const partitions = [{ partition: 0, offset: "5" }];
    await scene.admin.setOffsets({ groupId: scene.groupId, topic: scene.topic, partitions });
    expect(await committed()).toMatchObject({ offset: "5", metadata: null });
    const second = await scene.started({}, { owner: "d1" });
    await second.handlers.until(() => second.handlers.committed() === 20n);
    expect(second.handlers.gaps).toMatchObject([{ from: 5n, to: 0n, cause: "reset" }]);
    expect(second.handlers.ids).toHaveLength(20);
  });
});

describeWith(["kafka"], "two owners in one group", () => {
  test("the second is refused before it reads anything; the first keeps its partitions and goes on", async () => {
    const scene = await open();
    await scene.send(events("a", 3));
    const first = await scene.started({}, { owner: "d1" });
    await first.handlers.until(() => first.handlers.committed() === 3n);
    const second = await scene.started({}, { owner: "d2" });
    // One partition: it may have fallen to either, and comes back to the first.
    await waitFor(async () => {
      if (second.handlers.noticesOf("failed").length > 0) return true;
      const [joined] = second.handlers.noticesOf("joined").slice(-1);
      return joined?.partitions.length === 0;
    });
    expect(second.handlers.slices).toEqual([]);
    await second.source.stop({ drainMs: 0 });
    await scene.send(events("b", 3));
    await first.handlers.until(() => first.handlers.committed() === 6n, 60_000);
    expect(first.handlers.noticesOf("failed")).toEqual([]);
  });
});
