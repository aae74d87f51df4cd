import { afterEach, expect, jest, test } from "@jest/globals";
import kafkajs from "kafkajs";
import { deadLetterTopic } from "../../consumers/index.ts";
import { type KafkaScene, type KafkaSceneOptions, openKafkaScene } from "../support/kafka-scene.ts";
import { latch } from "../support/latch.ts";
import { applied } from "../support/recording-handlers.ts";
import { describeWith, sharedKafkaBrokers } from "../support/services.ts";
import { waitFor } from "../support/wait-for.ts";

jest.setTimeout(60_000);

const scenes: KafkaScene[] = [];
const open = async (options?: KafkaSceneOptions): Promise<KafkaScene> => {
  const scene = await openKafkaScene(options);
  scenes.push(scene);
  return scene;
};
const event = (id: string): string => JSON.stringify({ id });
const events = (count: number): string[] => Array.from({ length: count }, (_, index) => event(`article:${index}`));

afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

describeWith(["kafka"], "dead letters on Kafka", () => {
  test("keep key, value and headers, and say why and from where", async () => {
    const scene = await open();
    const key = Buffer.from([0xff, 0x00, 0x80]);
    const value = Buffer.from("{ not json \u0000");
    const headers = {
      traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      bytes: Buffer.from([0, 255]),
    };
    await scene.send([event("a"), { key, value, headers }]);
    const { handlers } = await scene.started();
    await handlers.until(() => handlers.committed() === 2n);
    const [letter] = await scene.deadLetters(1);
    expect(letter?.key).toEqual(key);
    expect(letter?.value).toEqual(value);
    expect(letter?.headers).toMatchObject({ bytes: Buffer.from([0, 255]) });
    const text = Object.fromEntries(Object.entries(letter?.headers ?? {}).map(([name, one]) => [name, String(one)]));
    expect(text).toMatchObject({
      traceparent: headers.traceparent,
      "unstale-reason": "not-json",
      "unstale-origin-topic": scene.topic,
      "unstale-origin-partition": "0",
      "unstale-origin-offset": "1",
      "unstale-origin-timestamp": expect.stringMatching(/^\d{13}$/),
    });
  });

  test("that cannot be written pause the partition; the changes are applied, the offset stays", async () => {
    const scene = await open();
    await scene.send([event("a"), "not json"]);
    const { handlers } = await scene.started({}, { createDeadLetterTopics: false });
    await handlers.until(() => handlers.noticesOf("paused").length >= 2, 60_000);
    expect(handlers.ids).toContain("a");
    expect(await scene.committed()).toEqual([undefined]);
    await scene.admin.createTopics({ topics: [{ topic: deadLetterTopic(scene.topic), numPartitions: 1 }] });
    await handlers.until(() => handlers.committed() === 2n, 60_000);
    expect(await scene.deadLetters(1)).toHaveLength(1);
  });

  test("too large for their topic keep their origin", async () => {
    const scene = await open();
    const configEntries = [{ name: "max.message.bytes", value: "2000" }];
    await scene.admin.createTopics({
      topics: [{ topic: deadLetterTopic(scene.topic), numPartitions: 1, configEntries }],
    });
    await scene.send([{ key: "the-key", value: "x".repeat(5_000) }, "not json"]);
    const { handlers } = await scene.started();
    await handlers.until(() => handlers.committed() === 2n);
    expect(handlers.ids).toEqual(["the-key"]);
    const letters = await scene.deadLetters(2);
    expect(letters.map(({ value }) => value && String(value))).toEqual([null, "not json"]);
    expect(String(letters[0]?.headers?.["unstale-value-bytes"])).toBe("5000");
    expect(String(letters[0]?.headers?.["unstale-origin-offset"])).toBe("0");
    expect(String(letters[0]?.key)).toBe("the-key");
  });
});

describeWith(["kafka"], "offsets that are gone", () => {
  test("retention overtook the group while it was away: a gap, answered before anything is delivered", async () => {
    const scene = await open();
    await scene.send(events(10));
    const first = await scene.started({ onSlice: (slice) => (slice.first < 5n ? applied : hold) }, { tuning: small });
    await first.handlers.until(() => first.handlers.committed() === 5n);
    await first.source.stop({ drainMs: 1_000 });
    await scene.deleteRecordsBelow(8n);
    const door = latch();
    const second = await scene.started({ onGap: () => door.opened });
    await second.handlers.until(() => second.handlers.gaps.length === 1);
    const partition = { topic: scene.topic, partition: 0 };
    expect(second.handlers.gaps).toEqual([{ partition, from: 5n, to: 8n, cause: "retention" }]);
    expect(await scene.committed()).toEqual([5n]);
    expect(second.handlers.slices).toEqual([]);
    door.open();
    await second.handlers.until(() => second.handlers.committed() === 10n);
    expect(second.handlers.ids).toEqual(["article:8", "article:9"]);
  });

  test("retention overtakes a partition that is paused: a gap, tried again until it is answered", async () => {
    const scene = await open();
    await scene.send(events(10));
    let held = true;
    const door = latch();
    let answers = 0;
    const { handlers } = await scene.started({
      onSlice: () => (held ? hold : applied),
      onGap: async () => {
        answers += 1;
        if (answers < 3) throw new Error("the store is down");
        await door.opened;
      },
    });
    await handlers.until(() => handlers.noticesOf("paused").length > 0);
    await scene.deleteRecordsBelow(8n);
    held = false;
    await handlers.until(() => answers === 3);
    expect(handlers.gaps[0]).toMatchObject({ from: 0n, to: 8n, cause: "retention" });
    expect(handlers.noticesOf("committed")).toEqual([]);
    door.open();
    await handlers.until(() => handlers.committed() === 10n);
    expect(handlers.ids).toEqual(["article:8", "article:9"]);
    expect(await scene.committed()).toEqual([10n]);
  });

  test("a topic that is deleted and made anew under a running source is read from its beginning", async () => {
    const scene = await open();
    await scene.send(events(5));
    const { handlers } = await scene.started();
    await handlers.until(() => handlers.committed() === 5n);
    // Its last step, a look at topics that it has just deleted, may fail.
    await scene.admin.deleteTopics({ topics: [scene.topic] }).catch(() => {});
    await waitFor(() =>
      scene.createTopic().then(
        () => true,
        () => false,
      ),
    );
    await waitFor(async () => {
      await scene.send([event("new:1"), event("new:2")]).catch(() => {});
      return handlers.ids.includes("new:1") && handlers.ids.includes("new:2");
    }, 60_000);
  });
});

describeWith(["kafka"], "what a topic may hold", () => {
  test("fifty thousand tiny events, compressed, in few batches", async () => {
    const scene = await open();
    const kafka = new kafkajs.Kafka({ brokers: sharedKafkaBrokers(), logLevel: kafkajs.logLevel.NOTHING });
    const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    await producer.connect();
    for (let batch = 0; batch < 10; batch += 1) {
      const messages = Array.from({ length: 5_000 }, (_, index) => ({ value: event(`e${batch}:${index}`) }));
      await producer.send({ topic: scene.topic, messages, compression: kafkajs.CompressionTypes.GZIP });
    }
    await producer.disconnect();
    const { handlers } = await scene.started();
    await handlers.until(() => handlers.committed() === 50_000n, 60_000);
    expect(new Set(handlers.ids).size).toBe(50_000);
  });

  test("transactions: aborted ones are not seen, and their offsets do not hold up the commit", async () => {
    const scene = await open();
    const kafka = new kafkajs.Kafka({ brokers: sharedKafkaBrokers(), logLevel: kafkajs.logLevel.NOTHING });
    const producer = kafka.producer({
      transactionalId: scene.groupId,
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    const { handlers } = await scene.started();
    for (const [id, end] of [
      ["a", "commit"],
      ["b", "abort"],
      ["c", "commit"],
      ["d", "abort"],
    ] as const) {
      const transaction = await producer.transaction();
      await transaction.send({ topic: scene.topic, messages: [{ value: event(id) }] });
      await transaction[end]();
    }
    await producer.disconnect();
    // Four records and four markers.
    await handlers.until(() => handlers.committed() === 8n);
    expect(handlers.ids).toEqual(["a", "c"]);
    expect(handlers.gaps).toEqual([]);
  });

  test("an open transaction does not hide from the log's ends what others had acknowledged behind it", async () => {
    const scene = await open();
    const kafka = new kafkajs.Kafka({ brokers: sharedKafkaBrokers(), logLevel: kafkajs.logLevel.NOTHING });
    const producer = kafka.producer({
      transactionalId: scene.groupId,
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    const { source, handlers } = await scene.started();
    const transaction = await producer.transaction();
    await transaction.send({ topic: scene.topic, messages: [{ value: event("a") }] });
    await scene.send([event("b")]);
    expect(await source.ends()).toEqual([{ topic: scene.topic, partition: 0, offset: 2n }]);
    expect(handlers.ids).toEqual([]);
    await transaction.commit();
    await producer.disconnect();
    await handlers.until(() => handlers.ids.length === 2);
    // The marker that ends the transaction counts, and is walked over.
    expect(await source.ends()).toEqual([{ topic: scene.topic, partition: 0, offset: 3n }]);
    await handlers.until(() => handlers.committed() === 3n);
  });

  test("the ends of a topic that is missing are not known, and are known once it is there", async () => {
    const scene = await open();
    const { source } = await scene.started();
    expect(await source.ends()).toHaveLength(1);
    await scene.admin.deleteTopics({ topics: [scene.topic] });
    await waitFor(async () =>
      source.ends().then(
        () => false,
        () => true,
      ),
    );
    await scene.admin.createTopics({ topics: [{ topic: scene.topic, numPartitions: 2 }], waitForLeaders: true });
    await waitFor(async () => (await source.ends().catch(() => [])).length === 2);
  });

  test("null values name their document by the key; null key and null value is a dead letter", async () => {
    const scene = await open();
    await scene.send([
      { key: "article:1", value: null },
      { key: null, value: null },
    ]);
    const { handlers } = await scene.started();
    await handlers.until(() => handlers.committed() === 2n);
    expect(handlers.ids).toEqual(["article:1"]);
    expect(handlers.noticesOf("dead-letter").map(({ reason }) => reason)).toEqual(["no-id"]);
  });
});

const small = { maxSliceRecords: 5, commitIntervalMs: 10, retry: { baseMs: 20, maxMs: 50 } };
const hold = { kind: "retry", afterMs: 100, reason: "held by the test" } as const;
