import { expect, test } from "@jest/globals";
import { createKafkaDeadLetters, createMemoryDeadLetters } from "../../../consumers/dead-letter.ts";
import { consumerError } from "../../../consumers/errors.ts";
import type { OutgoingRecord } from "../../../consumers/kafka-types.ts";
import { createLazySender } from "../../../consumers/lazy-sender.ts";
import { silentLog } from "../../../consumers/log.ts";
import type { FailedRecord } from "../../../consumers/slices.ts";
import { sourceRecord } from "../../support/source-records.ts";

const failure = (parts: Parameters<typeof sourceRecord>[0] = {}): FailedRecord => ({
  record: sourceRecord({ key: "k", value: "v", ...parts }),
  reason: "not-json",
  detail: "x".repeat(2_000),
});
const tooLarge = consumerError("UNSTALE_KAFKA_TOO_LARGE", "no", {
  cause: Object.assign(new Error("large"), { type: "MESSAGE_TOO_LARGE" }),
});
const sizeOf = (records: readonly OutgoingRecord[]): number =>
  records.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0), 0);

function topicThatTakes(maxBytes: number) {
  const taken: { topic: string; record: OutgoingRecord }[] = [];
  const send = async (topic: string, records: readonly OutgoingRecord[]) => {
    if (sizeOf(records) > maxBytes) throw tooLarge;
    for (const record of records) taken.push({ topic, record });
    return [];
  };
  return { taken, letters: createKafkaDeadLetters({ sender: { send }, log: silentLog }) };
}

test("a letter is the record as it was, with its reason and origin, a bounded detail, in its topic's own dead letters", async () => {
  const { taken, letters } = topicThatTakes(1_000);
  const headers = { traceparent: [Buffer.from("00-a-b-01")], twice: [Buffer.from("1"), Buffer.from("2")] };
  await letters.publish([failure({ headers, offset: 7n, partition: 3 }), failure({ topic: "shop" })]);
  expect(taken.map(({ topic }) => topic)).toEqual(["cms.documents.dlq", "shop.dlq"]);
  expect(taken[0]?.record).toMatchObject({
    key: Buffer.from("k"),
    value: Buffer.from("v"),
    headers: {
      ...headers,
      "unstale-reason": "not-json",
      "unstale-origin-topic": "cms.documents",
      "unstale-origin-partition": "3",
      "unstale-origin-offset": "7",
      "unstale-origin-timestamp": "1700000000000",
    },
  });
  expect(taken[0]?.record.headers?.["unstale-detail"]).toHaveLength(512);
});

test("letters that are too large together go one by one", async () => {
  const { taken, letters } = topicThatTakes(100);
  await letters.publish([failure({ value: "a".repeat(80) }), failure({ value: "b".repeat(80) })]);
  expect(taken.map(({ record }) => record.value?.length)).toEqual([80, 80]);
});

test("one that is too large keeps key and origin; with a large key the origin alone", async () => {
  const { taken, letters } = topicThatTakes(100);
  await letters.publish([failure({ value: "a".repeat(200) }), failure({ key: "k".repeat(200) })]);
  expect(taken.map(({ record }) => [record.key?.length, record.value])).toEqual([
    [1, null],
    [undefined, null],
  ]);
  for (const { record } of taken) expect(record.headers).toMatchObject({ "unstale-reason": "not-json" });
  expect(taken[0]?.record.headers).toMatchObject({ "unstale-value-bytes": "200" });
});

test("a topic that cannot be written rejects, so that the offset stays", async () => {
  const unavailable = consumerError("UNSTALE_KAFKA_UNREACHABLE", "no leader");
  const sender = { send: () => Promise.reject(unavailable) };
  await expect(createKafkaDeadLetters({ sender, log: silentLog }).publish([failure()])).rejects.toBe(unavailable);
});

test("the producer connects with the first letter, and again after a failure", async () => {
  const calls: string[] = [];
  const sender = createLazySender(() => ({
    connect: async () => {
      calls.push("connect");
      if (calls.length === 1) throw new Error("no broker");
    },
    send: async () => {
      calls.push("send");
      return [];
    },
    disconnect: async () => {
      calls.push("disconnect");
    },
  }));
  await expect(sender.send("t", [])).rejects.toThrow("no broker");
  await sender.send("t", []);
  await sender.send("t", []);
  await sender.close();
  expect(calls).toEqual(["connect", "connect", "send", "send", "disconnect"]);
  await createLazySender(() => {
    throw new Error("never needed");
  }).close();
});

test("in memory the last letters are kept", async () => {
  const letters = createMemoryDeadLetters({ limit: 2, log: silentLog });
  await letters.publish([failure({ offset: 1n }), failure({ offset: 2n })]);
  await letters.publish([failure({ offset: 3n })]);
  expect(letters.letters.map(({ record }) => record.offset)).toEqual([2n, 3n]);
});
