import { afterEach, describe, expect, test } from "@jest/globals";
import type { ChangeSource } from "../../../consumers/change-source.ts";
import { createKafkaSource, createSubscriptions } from "../../../consumers/index.ts";
import { createFakeKafka, type FakeConsumer } from "../../support/fake-kafka.ts";
import { latch, until } from "../../support/latch.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { applied, RecordingHandlers, type RecordingHandlersOptions } from "../../support/recording-handlers.ts";

const partition = { topic: "t", partition: 0 };
const rebalance = Object.assign(new Error("rebalance"), { type: "REBALANCE_IN_PROGRESS" });
const sources: ChangeSource[] = [];

async function started(
  handling: RecordingHandlersOptions = {},
  prepare: (kafka: ReturnType<typeof createFakeKafka>) => void = () => {},
  given: { readonly owner?: string } = {},
) {
  const kafka = createFakeKafka();
  prepare(kafka);
  const clock = new ManualClock();
  const subscriptions = createSubscriptions([{ topic: "t", format: "json", wide: false }]);
  const connection = { brokers: ["a:1"], clientId: "test" };
  const { createClient } = kafka;
  const supervision = { maxCrashes: 3 };
  const options = {
    connection,
    groupId: "g",
    subscriptions,
    createClient,
    clock,
    random: () => 1,
    supervision,
    ...given,
  };
  const source = createKafkaSource(options);
  sources.push(source);
  const handlers = new RecordingHandlers(handling);
  await source.start(handlers);
  const consumer = kafka.consumers[0] as FakeConsumer;
  const running = () => until(() => kafka.consumers.at(-1)?.paused.size === 0);
  const committed = () =>
    until(() => {
      clock.advance(200);
      return consumer.commits.length > 0;
    });
  return { kafka, clock, source, handlers, consumer, running, committed };
}

afterEach(async () => {
  for (const source of sources.splice(0)) await source.stop({ drainMs: 0 });
});

test("a partition is paused until the handlers said where to begin, and sought there", async () => {
  const door = latch();
  const { consumer, running } = await started({
    onAssigned: async () => {
      await door.opened;
      return [{ ...partition, offset: 7n }];
    },
  });
  expect([...consumer.paused]).toEqual([0]);
  door.open();
  await running();
  expect(consumer.seeks).toEqual([{ ...partition, offset: 7n }]);
});

test("what is applied is resolved; what settled is committed", async () => {
  const { consumer, running, committed } = await started();
  await running();
  const { resolved } = await consumer.deliver({ fetched: 0n, offsets: [0n, 1n, 2n] });
  expect(resolved).toEqual([3n]);
  await committed();
  expect(consumer.commits).toEqual([{ ...partition, offset: 3n }]);
});

test("a crash ends the session: partitions are revoked, and a new client takes over after a backoff", async () => {
  const { kafka, clock, consumer, handlers, running } = await started();
  await running();
  consumer.listeners.onCrashed(new TypeError("planted"));
  expect(handlers.revoked).toEqual([partition]);
  await until(() => handlers.noticesOf("restarting").length === 1);
  expect(handlers.noticesOf("restarting")[0]).toMatchObject({ afterMs: 500, attempt: 1 });
  expect(kafka.consumers).toHaveLength(1);
  await until(() => clock.sleeping > 0);
  clock.advance(500);
  await until(() => kafka.consumers.length === 2 && handlers.noticesOf("joined").length === 2);
  expect(consumer.disconnected).toBe(true);
});

test("too many crashes are the end, and said to be", async () => {
  const { kafka, clock, handlers, source } = await started();
  for (let crash = 1; crash <= 3; crash += 1) {
    await until(() => kafka.consumers.length === crash && handlers.noticesOf("joined").length === crash);
    kafka.consumers.at(-1)?.listeners.onCrashed(new TypeError("planted"));
    if (crash === 3) break;
    await until(() => handlers.noticesOf("restarting").length === crash);
    await until(() => {
      clock.advance(500);
      return kafka.consumers.length > crash;
    });
  }
  await until(() => handlers.noticesOf("failed").length === 1);
  expect(handlers.noticesOf("failed")[0]?.error).toMatchObject({ code: "UNSTALE_KAFKA_GAVE_UP" });
  expect(await source.stop({ drainMs: 0 })).toEqual({ drained: true });
});

test("a rebalance seen in a slice: the slice is finished, committed by the old generation, and kafkajs told", async () => {
  const door = latch();
  const { consumer, clock, handlers, running } = await started({
    onSlice: async () => {
      await door.opened;
      return applied;
    },
  });
  await running();
  const offsets = Array.from({ length: 1_500 }, (_, index) => BigInt(index));
  const delivery = consumer.deliver({ fetched: 0n, offsets, heartbeat: () => Promise.reject(rebalance) });
  delivery.catch(() => {});
  await until(() => handlers.slices.length === 1);
  clock.advance(1_500);
  door.open();
  await expect(delivery).rejects.toBe(rebalance);
  expect(handlers.slices).toHaveLength(1);
  expect([...consumer.batchCommits, ...consumer.commits]).toEqual([{ ...partition, offset: 500n }]);
});

test("after a rejoin, partitions that stay ours go on where they were; others are revoked", async () => {
  const { consumer, handlers, running } = await started();
  await running();
  await consumer.deliver({ fetched: 0n, offsets: [0n, 1n] });
  consumer.seeks.length = 0;
  consumer.join("member-1", [0, 1]);
  expect(consumer.seeks[0]).toEqual({ ...partition, offset: 2n });
  expect([...consumer.paused]).toEqual([1]);
  expect(handlers.revoked).toEqual([]);
  await running();
  consumer.join("member-1", [1]);
  expect(handlers.revoked).toEqual([partition]);
});

test("as another member nothing is kept: somebody else may have read on", async () => {
  const { consumer, handlers, running } = await started();
  await running();
  consumer.join("member-2", [0]);
  expect(handlers.revoked).toEqual([partition]);
  await until(() => handlers.assigned.length === 2);
});

test("a slice of a partition that is lost meanwhile resolves and commits nothing", async () => {
  const door = latch();
  const { consumer, handlers, running } = await started({
    onSlice: async () => {
      await door.opened;
      return applied;
    },
  });
  await running();
  const delivery = consumer.deliver({ fetched: 0n, offsets: [0n] });
  await until(() => handlers.slices.length === 1);
  consumer.join("member-1", [1]);
  expect(handlers.slices[0]?.signal.aborted).toBe(true);
  door.open();
  expect((await delivery).resolved).toEqual([]);
  expect(consumer.commits).toEqual([]);
});

test("offsets missing in a log that is never compacted are a gap; in another log they are not", async () => {
  const { consumer, handlers, running } = await started();
  await running();
  await consumer.deliver({ fetched: 0n, offsets: [0n] });
  await consumer.deliver({ fetched: 1n, offsets: [5n] });
  await until(() => handlers.gaps.length === 1);
  expect(handlers.gaps).toEqual([{ partition, from: 1n, to: 5n, cause: "skipped" }]);
  await until(() => consumer.commits.some(({ offset }) => offset === 5n) || consumer.seeks.at(-1)?.offset === 5n);
  const compacted = await started({}, ({ log }) => {
    log.policyKnown = false;
  });
  await compacted.running();
  await compacted.consumer.deliver({ fetched: 0n, offsets: [3n] });
  expect(compacted.handlers.ids).toEqual(["d3"]);
  expect(compacted.handlers.gaps).toEqual([]);
});

test("a batch that was fetched before a seek is no gap", async () => {
  const { consumer, handlers, source, running } = await started();
  await running();
  await consumer.deliver({ fetched: 0n, offsets: [0n, 1n] });
  source.seek({ ...partition, offset: 0n });
  await consumer.deliver({ fetched: 2n, offsets: [2n], stale: true });
  expect(handlers.gaps).toEqual([]);
  expect(handlers.ids).toEqual(["d0", "d1"]);
});

test("our position is out of the log's range: nothing is fetched until the gap is answered", async () => {
  const door = latch();
  const { kafka, consumer, handlers, running } = await started({ onGap: () => door.opened });
  await running();
  await consumer.deliver({ fetched: 0n, offsets: [0n] });
  kafka.log.low = 50n;
  consumer.listeners.onOutOfRange(partition);
  expect([...consumer.paused]).toEqual([0]);
  await until(() => handlers.gaps.length === 1);
  expect(handlers.gaps).toEqual([{ partition, from: 1n, to: 50n, cause: "retention" }]);
  door.open();
  await running();
  expect(consumer.seeks.at(-1)).toEqual({ ...partition, offset: 50n });
});

test("committed beyond the end: another log, read from its beginning", async () => {
  const { consumer, handlers, running } = await started({}, ({ log }) => {
    log.committed = 2_000n;
  });
  await running();
  expect(handlers.gaps).toEqual([{ partition, from: 2_000n, to: 0n, cause: "recreated" }]);
  expect(consumer.seeks).toEqual([{ ...partition, offset: 0n }]);
});

test("records that are nothing but markers move the offset, as a slice without records", async () => {
  const { consumer, handlers, running, committed } = await started();
  await running();
  consumer.listeners.onFiltered(partition, 4n);
  await committed();
  expect(handlers.slices[0]).toMatchObject({ first: 0n, next: 4n, records: 0, changes: [] });
  expect(consumer.commits).toEqual([{ ...partition, offset: 4n }]);
});

describe("a source that works for somebody", () => {
  const ours = { owner: "ours" } as const;
  const member = { clientId: "unstale", host: "/10.0.0.3" };

  test("commits where it begins at once, with its name and the log's id beside it", async () => {
    const { consumer, running, committed } = await started(
      {},
      ({ log }) => void Object.assign(log, { topicId: "A" }),
      ours,
    );
    await running();
    await committed();
    expect(consumer.commits).toEqual([{ ...partition, offset: 0n }]);
    expect(consumer.metadata).toBe("unstale/1 ours A");
  });

  test("commits nothing where the group says the same", async () => {
    const same = { committed: 7n, metadata: "unstale/1 ours A", topicId: "A" };
    const { consumer, running, clock, handlers } = await started({}, ({ log }) => void Object.assign(log, same), ours);
    await running();
    clock.advance(1_000);
    expect(consumer.commits).toEqual([]);
    expect(handlers.assigned).toEqual([{ ...partition, low: 0n, end: 1_000n, committed: 7n, owner: "ours" }]);
  });

  test("reads the log from its beginning where a tool has set the group's offset", async () => {
    const { handlers, consumer, running } = await started(
      {},
      ({ log }) => void Object.assign(log, { committed: 40n }),
      ours,
    );
    await running();
    expect(handlers.gaps).toEqual([{ partition, from: 40n, to: 0n, cause: "reset" }]);
    expect(consumer.seeks.at(-1)).toEqual({ ...partition, offset: 0n });
  });

  test("takes over what somebody else committed, who is not there any more", async () => {
    const before = { committed: 7n, metadata: "unstale/1 theirs A", topicId: "A" };
    const { consumer, running, committed, handlers } = await started(
      {},
      ({ log }) => void Object.assign(log, before),
      ours,
    );
    await running();
    expect(handlers.assigned[0]).toMatchObject({ committed: 7n, owner: "theirs" });
    await committed();
    expect(consumer.metadata).toBe("unstale/1 ours A");
  });

  test.each([
    ["another deployment's worker", "theirs", "works for deployment theirs"],
    ["another program", undefined, "is no unstale of this version"],
  ])("ends for good beside %s, before anything is read", async (_, owner, text) => {
    const { consumer, handlers } = await started(
      {},
      ({ log }) => void log.members.push({ ...member, owner: "ours" }, { ...member, owner }),
      ours,
    );
    await until(() => handlers.noticesOf("failed").length === 1);
    const { error } = handlers.noticesOf("failed")[0] ?? {};
    expect(error).toMatchObject({ code: "UNSTALE_KAFKA_GROUP_SHARED", retryable: false });
    expect(error?.message).toContain(text);
    expect({ assigned: handlers.assigned, commits: consumer.commits }).toEqual({ assigned: [], commits: [] });
  });

  test("goes on where the group is its own: the others are those who have to go", async () => {
    const mine = { committed: 7n, metadata: "unstale/1 ours -" };
    const { handlers, running } = await started(
      {},
      ({ log }) => void Object.assign(log, mine, { members: [{ ...member, owner: "theirs" }] }),
      ours,
    );
    await running();
    expect(handlers.noticesOf("failed")).toEqual([]);
  });

  test("waits while the group does not say who is in it", async () => {
    const { kafka, handlers, clock, running } = await started(
      {},
      ({ log }) => void Object.assign(log, { groupState: "PreparingRebalance" }),
      ours,
    );
    await until(() => handlers.noticesOf("paused").length > 0);
    expect(handlers.assigned).toEqual([]);
    kafka.log.groupState = "Stable";
    await until(() => {
      clock.advance(200);
      return handlers.assigned.length === 1;
    });
    await running();
  });
});

describe("a topic that was made anew and filled beyond our position", () => {
  const anew = { committed: 40n, metadata: "unstale/1 - A", topicId: "B", end: 1_000n };

  test("while we were away: a gap, answered before anything is delivered; we begin at its beginning", async () => {
    const { handlers, consumer, running } = await started({}, ({ log }) => void Object.assign(log, anew));
    await running();
    expect(handlers.gaps).toEqual([{ partition, from: 40n, to: 0n, cause: "recreated" }]);
    expect(handlers.assigned[0]).toMatchObject({ committed: 0n });
    expect(consumer.seeks.at(-1)).toEqual({ ...partition, offset: 0n });
  });

  test("while we read: a gap, and commits of the old log cannot be taken for the new one's", async () => {
    const door = latch();
    const { kafka, clock, handlers, consumer, running, committed } = await started(
      { onGap: () => door.opened },
      ({ log }) => void Object.assign(log, { topicId: "A" }),
    );
    await running();
    await consumer.deliver({ fetched: 0n, offsets: [0n, 1n] });
    kafka.log.topicId = "B";
    await committed();
    expect(consumer.metadata).toBe("unstale/1 - A");
    await until(() => {
      clock.advance(1_000);
      return handlers.gaps.length === 1;
    });
    expect(handlers.gaps).toEqual([{ partition, from: 2n, to: 0n, cause: "recreated" }]);
    expect([...consumer.paused]).toEqual([0]);
    door.open();
    await running();
    expect(consumer.seeks.at(-1)).toEqual({ ...partition, offset: 0n });
    consumer.commits.length = 0;
    await consumer.deliver({ fetched: 0n, offsets: [0n] });
    await committed();
    expect(consumer.metadata).toBe("unstale/1 - B");
    clock.advance(5_000);
    expect(handlers.gaps).toHaveLength(1);
  });

  test("an answer that failed is tried again, and only once taken", async () => {
    let attempts = 0;
    const { handlers, clock, running } = await started(
      {
        onGap: async () => {
          attempts += 1;
          if (attempts === 1) throw new Error("down");
        },
        onAssigned: async (partitions) => {
          if (attempts < 3) {
            attempts += 1;
            throw new Error("down again");
          }
          return partitions.map((one) => ({ ...one, offset: one.committed ?? 0n }));
        },
      },
      ({ log }) => void Object.assign(log, anew),
    );
    await until(() => {
      clock.advance(200);
      return handlers.assigned.length === 2;
    });
    await running();
    expect(handlers.gaps).toHaveLength(2);
  });
});
