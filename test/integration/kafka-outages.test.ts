import { afterEach, expect, jest, test } from "@jest/globals";
import { type KafkaScene, type KafkaSceneOptions, openKafkaScene } from "../support/kafka-scene.ts";
import { RecordingHandlers } from "../support/recording-handlers.ts";
import { describeWith, ownKafka } from "../support/services.ts";
import { waitFor } from "../support/wait-for.ts";

jest.setTimeout(60_000);

const scenes: KafkaScene[] = [];
const open = async (options?: KafkaSceneOptions): Promise<KafkaScene> => {
  const scene = await openKafkaScene(options);
  scenes.push(scene);
  return scene;
};
const event = (id: string): string => JSON.stringify({ id });

afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

describeWith(["kafka"], "a Kafka that is not as it should be", () => {
  test("without the topic it waits, says so, and begins when the topic is there", async () => {
    const scene = await open({ create: false });
    const source = scene.source();
    const handlers = new RecordingHandlers();
    const started = source.start(handlers);
    await handlers.until(() => handlers.noticesOf("waiting").length > 0);
    expect(handlers.noticesOf("waiting")[0]?.reason).toBe(`topic ${scene.topic} does not exist`);
    await scene.createTopic();
    await started;
    await scene.send([event("a")]);
    await handlers.until(() => handlers.committed() === 1n);
  });

  test("stopped while it waits, start tells so", async () => {
    const scene = await open({ create: false });
    const source = scene.source();
    const handlers = new RecordingHandlers();
    const started = source.start(handlers);
    started.catch(() => {});
    await handlers.until(() => handlers.noticesOf("waiting").length > 0);
    expect(await source.stop({ drainMs: 1_000 })).toEqual({ drained: true });
    await expect(started).rejects.toMatchObject({ code: "UNSTALE_SOURCE_STOPPED" });
  });

  test("unreachable at the start: it keeps trying, and can be stopped", async () => {
    const scene = await open({ create: false });
    const connection = { brokers: ["127.0.0.1:1"], clientId: "test" };
    const source = scene.source({ connection });
    const handlers = new RecordingHandlers();
    const started = source.start(handlers);
    started.catch(() => {});
    await handlers.until(() => handlers.noticesOf("restarting").length >= 2);
    expect(handlers.noticesOf("disconnected")[0]?.error).toMatchObject({ code: "UNSTALE_KAFKA_UNREACHABLE" });
    await source.stop({ drainMs: 1_000 });
    await expect(started).rejects.toMatchObject({ code: "UNSTALE_SOURCE_STOPPED" });
  });

  test("credentials that it refuses are the end at once", async () => {
    const scene = await open({ create: false });
    const sasl = { mechanism: "plain", username: "me", password: "s3cret" } as const;
    const source = scene.source({ connection: { brokers: scene.brokers, clientId: "test", sasl } });
    const handlers = new RecordingHandlers();
    await expect(source.start(handlers)).rejects.toMatchObject({ code: "UNSTALE_KAFKA_AUTHENTICATION" });
    expect(handlers.noticesOf("failed")).toHaveLength(1);
    expect(JSON.stringify(handlers.notices)).not.toContain("s3cret");
    expect(await source.stop({ drainMs: 0 })).toEqual({ drained: true });
  });

  test("killed and restarted: the source comes back by itself, and loses nothing", async () => {
    const kafka = await ownKafka();
    const scene = await open({ brokers: kafka.brokers });
    const { handlers } = await scene.started();
    await scene.send([event("a")]);
    await handlers.until(() => handlers.committed() === 1n);
    await kafka.kill();
    await handlers.until(() => handlers.noticesOf("restarting").length > 0, 60_000);
    await kafka.restart();
    const restarted = Date.now();
    await handlers.until(() => handlers.noticesOf("joined").length >= 2, 60_000);
    console.info(`back ${Date.now() - restarted} ms after the broker`);
    await scene.send([event("b")]);
    await handlers.until(() => handlers.committed() === 2n);
    expect(new Set(handlers.ids)).toEqual(new Set(["a", "b"]));
    expect(handlers.revoked).toHaveLength(1);
  }, 120_000);

  test("stopped while it is down, the source stops in bounded time", async () => {
    const kafka = await ownKafka();
    const scene = await open({ brokers: kafka.brokers });
    const said: string[] = [];
    const note = (_: object, message: string): number => said.push(message);
    const log = { debug: note, info: note, warn: note, error: note };
    const { handlers, source } = await scene.started({}, { log });
    await scene.send([event("a")]);
    await handlers.until(() => handlers.committed() === 1n);
    await kafka.kill();
    const before = Date.now();
    await source.stop({ drainMs: 1_000 });
    expect(Date.now() - before).toBeLessThan(25_000);
    // kafkajs goes through its retries without a socket; nothing of it must outlive this test.
    await waitFor(() => said.includes("Stopped"), 60_000);
    await kafka.restart();
  }, 120_000);
});
