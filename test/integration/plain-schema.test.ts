// Programs in other languages, unchanged: a Python program writes and reads the plain schema, and is served by the same worker.
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from "@jest/globals";
import { SmartCache } from "@unstale/cache-core";
import type { ValkeyHandle } from "../../dev/services/index.ts";
import { type KafkaScene, openKafkaScene } from "../support/kafka-scene.ts";
import { type PlainPython, startPlainPython } from "../support/plain-python.ts";
import { describeWith, ownValkey } from "../support/services.ts";
import { waitFor } from "../support/wait-for.ts";
import { endAll, startUnstale } from "./worker-process.ts";

jest.setTimeout(90_000);

describeWith(["kafka", "valkey"], "a Python program that knows the plain schema", () => {
  let kafka: KafkaScene;
  let valkey: ValkeyHandle;
  let python: PlainPython;
  let cache: SmartCache;

  beforeAll(async () => {
    [kafka, valkey] = await Promise.all([openKafkaScene({ partitions: 1 }), ownValkey()]);
    const worker = startUnstale(["run"], {
      UNSTALE_KAFKA_BROKERS: kafka.brokers.join(","),
      UNSTALE_KAFKA_TOPICS: kafka.topic,
      UNSTALE_KAFKA_GROUP_ID: kafka.groupId,
      UNSTALE_VALKEY_URL: valkey.url,
      UNSTALE_HTTP_PORT: "0",
    });
    await worker.ready();
  });

  beforeEach(async () => {
    python = await startPlainPython(valkey.url);
    cache = new SmartCache({ valkey: valkey.url });
  });

  afterEach(async () => {
    await cache.close();
    await python.stop();
  });

  afterAll(async () => {
    await endAll();
    await kafka.close();
    await valkey.stop();
  });

  const change = (id: string): Promise<unknown> => kafka.send([{ key: id, value: JSON.stringify({ id }) }]);

  /** On a busy machine a look-up that takes longer than its limit is a miss: look again. */
  async function served(query: string): Promise<unknown> {
    let result: unknown;
    await waitFor(async () => {
      const look = await cache.get(query);
      result = look;
      return look.hit;
    });
    return result;
  }

  test.each(["doc_deps:", "deps:"])(
    "an entry that it lists under %s is served, and ended by an event",
    async (prefix) => {
      const query = `what does it cost? (${prefix})`;
      const id = `article:${prefix}1`;
      await python.write(query, "9.99", [id, "list:articles"], prefix);
      expect(await served(query)).toEqual({ hit: true, response: "9.99", sources: [id, "list:articles"] });

      await change(id);

      await waitFor(async () => (await python.read(query)) === null);
      expect(await cache.get(query)).toMatchObject({ hit: false });
    },
  );

  test("reads what SmartCache wrote, as plain text, until an event ends it", async () => {
    const fill = (context: { dependsOn(id: string): void }): string => {
      context.dependsOn("article:2");
      return "naïve: 10 €";
    };
    await waitFor(async () => (await cache.getOrSet("how much?", fill)).status !== "uncached");
    expect(await python.read("how much?")).toMatchObject({
      query: "how much?",
      response: "naïve: 10 €",
      sources: '["article:2"]',
    });

    await change("article:2");

    await waitFor(async () => (await python.read("how much?")) === null);
    expect(await cache.get("how much?")).toMatchObject({ hit: false });
  });

  test("its INCR of cache:version invalidates everything, SmartCache's entries too", async () => {
    await waitFor(async () => (await cache.getOrSet("how long?", () => "two days")).status !== "uncached");
    await python.write("how far?", "a mile", []);
    await served("how far?");

    await python.invalidateEverything();

    expect(await python.read("how far?")).toBeNull();
    expect(await cache.get("how long?")).toMatchObject({ hit: false });
    expect(await cache.get("how far?")).toMatchObject({ hit: false });
  });
});
