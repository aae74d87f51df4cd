import { createRequire } from "node:module";
import { expect, jest, test } from "@jest/globals";
import { findCodec } from "../../../consumers/compression-codecs.ts";
import { createKafkaClient } from "../../../consumers/kafka-client.ts";
import { kafkaSettings } from "../../../consumers/kafka-config.ts";
import { silentLog } from "../../../consumers/log.ts";
import { patchRequestQueue } from "../../../consumers/request-queue-patch.ts";

const connection = { brokers: ["a:9092"], clientId: "test" };

test("settings with times that suit a network", () => {
  expect(kafkaSettings({ ...connection, ssl: { ca: "PEM", cert: undefined } })).toEqual({
    brokers: ["a:9092"],
    clientId: "test",
    connectionTimeout: 10_000,
    requestTimeout: 8_000,
    ssl: { ca: "PEM" },
  });
  expect(kafkaSettings({ ...connection, ssl: false })).not.toHaveProperty("ssl");
});

test("all problems of a connection at once, and never the password", () => {
  const sasl = { mechanism: "md5" as "plain", username: "", password: "s3cret" };
  const settings = () => kafkaSettings({ brokers: ["a", "b:0", "http://c:1", "[::1]:9092"], clientId: "x", sasl });
  expect(settings).toThrow(
    /got "a"[\s\S]*got "b:0"[\s\S]*got "http:[\s\S]*got "\[::1[\s\S]*mechanism: expected plain[\s\S]*username/,
  );
  expect(settings).not.toThrow(/s3cret/);
  expect(() => kafkaSettings({ brokers: [], clientId: "x" })).toThrow(/at least one host:port/);
});

test("the request queue sets a timer only while something is pending", () => {
  createKafkaClient({ connection, log: silentLog });
  const RequestQueue = createRequire(import.meta.url)("kafkajs/src/network/requestQueue");
  const queue = Object.create(RequestQueue.prototype);
  Object.assign(queue, { pending: [], throttledUntil: -1, throttleCheckTimeoutId: null });
  queue.scheduleCheckPendingRequests();
  expect(queue.throttleCheckTimeoutId).toBeNull();
  queue.pending = [{}];
  queue.scheduleCheckPendingRequests();
  const timer = queue.throttleCheckTimeoutId;
  expect(timer).not.toBeNull();
  queue.scheduleCheckPendingRequests();
  expect(queue.throttleCheckTimeoutId).toBe(timer);
  clearTimeout(timer);
});

test("a request queue that is not the one we know stays as it is", () => {
  expect(patchRequestQueue(undefined)).toBe(false);
  expect(patchRequestQueue(class {})).toBe(false);
  expect(patchRequestQueue({ scheduleCheckPendingRequests: jest.fn() })).toBe(false);
});

test("a codec is there, or it is said what to install", async () => {
  for (const name of ["zstd", "snappy", "lz4"] as const) {
    const found = findCodec(name);
    if ("missing" in found) {
      expect(found.missing).toMatch(new RegExp(`compressed with ${name}.*install the package`));
      continue;
    }
    const packed = await found.codec.compress({ buffer: Buffer.from("changes") });
    expect(String(await found.codec.decompress(packed))).toBe("changes");
  }
});
