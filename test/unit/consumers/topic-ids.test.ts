import { expect, test } from "@jest/globals";
import { decodeTopicIds, encodeTopicIdRequest, type TopicIdCluster, topicIds } from "../../../consumers/topic-ids.ts";

/** As the protocol guide has Metadata 10: one broker, two partitions for each topic, a tag that nobody knows. */
function answer(topics: readonly { readonly name: string; readonly id: Buffer; readonly error?: number }[]): Buffer {
  const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
  const int32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  };
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length + 1]), Buffer.from(value)]);
  const none = Buffer.from([0]);
  const oneTag = Buffer.from([1, 5, 2, 0xaa, 0xbb]);
  const partition = (number: number): Buffer =>
    Buffer.concat([
      ...[int16(0), int32(number), int32(1), int32(7)],
      ...[Buffer.from([2]), int32(1), Buffer.from([2]), int32(1), Buffer.from([1]), none],
    ]);
  const listed = topics.map(({ name, id, error = 0 }) =>
    Buffer.concat([
      ...[int16(error), text(name), id, none],
      ...[Buffer.from([3]), partition(0), partition(1), int32(-2147483648), oneTag],
    ]),
  );
  const broker = Buffer.concat([int32(1), text("localhost"), int32(9092), none, none]);
  const head = [none, int32(0), Buffer.from([2]), broker, text("cluster"), int32(1)];
  return Buffer.concat([...head, Buffer.from([topics.length + 1]), ...listed, int32(-2147483648), none]);
}

const id = Buffer.from("00112233445566778899aabbccddeeff", "hex");

test("ids are read as Kafka's own tools print them; topics without one are left out", () => {
  const found = decodeTopicIds(
    answer([
      { name: "documents", id },
      { name: "missing", id: Buffer.alloc(16), error: 3 },
    ]),
  );
  expect([...found]).toEqual([["documents", "ABEiM0RVZneImaq7zN3u_w"]]);
});

test("an answer that ends too soon is an error, wherever it ends", () => {
  const whole = answer([{ name: "documents", id }]);
  // The last field and the last tags are not looked at.
  for (let length = 0; length < whole.length - 5; length += 1) {
    expect(() => decodeTopicIds(whole.subarray(0, length))).toThrow(RangeError);
  }
});

test("a name of more than 127 bytes has a length of two", () => {
  const request = encodeTopicIdRequest(["x".repeat(200)]);
  expect(request.subarray(0, 2)).toEqual(Buffer.from([0, 2]));
  expect(request.subarray(18, 20)).toEqual(Buffer.from([(201 & 0x7f) | 0x80, 1]));
  expect(request).toHaveLength(2 + 16 + 2 + 200 + 1 + 3 + 1);
});

test("a broker that knows no ids is not asked", async () => {
  const cluster: TopicIdCluster = {
    findControllerBroker: async () => ({
      versions: { 3: { maxVersion: 9 } },
      connectionPool: { send: () => Promise.reject(new Error("asked")) },
    }),
  };
  expect(await topicIds(cluster, ["documents"])).toBeUndefined();
});
