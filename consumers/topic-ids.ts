/**
 * Topic ids (KIP-516, Kafka 2.8 and later): a topic that was deleted and made anew has another one, though its name is the
 * same and its offsets may be. kafkajs speaks Metadata up to version 6, which has none; this is version 10 of that one
 * request, written by hand and sent through a connection of kafkajs' own, with its TLS, its credentials and its queue.
 */

/** The part of kafkajs' cluster that the request needs. */
export interface TopicIdCluster {
  findControllerBroker(): Promise<TopicIdBroker>;
}

interface TopicIdBroker {
  readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>> | null;
  readonly connectionPool: { send(protocol: object): Promise<unknown> };
}

const apiKey = 3;
const apiVersion = 10;
const noId = Buffer.alloc(16);

/** As Kafka's own tools print them. Topics that do not exist are left out. Nothing where the broker knows no ids. */
export async function topicIds(
  cluster: TopicIdCluster,
  topics: readonly string[],
): Promise<ReadonlyMap<string, string> | undefined> {
  const broker = await cluster.findControllerBroker();
  if ((broker.versions?.[apiKey]?.maxVersion ?? 0) < apiVersion) return undefined;
  const answer = await broker.connectionPool.send({
    request: { apiKey, apiVersion, apiName: "Metadata", encode: async () => encoded(encodeTopicIdRequest(topics)) },
    response: {
      decode: async (payload: Buffer) => ({ payload, clientSideThrottleTime: 0 }),
      parse: async ({ payload }: { readonly payload: Buffer }) => decodeTopicIds(payload),
    },
  });
  // What `parse` above returned.
  return answer as ReadonlyMap<string, string>;
}

/** As kafkajs' encoders look to those who send them. */
function encoded(bytes: Buffer): { readonly buf: Buffer; readonly buffer: Buffer } {
  return { buf: bytes, buffer: bytes };
}

/** The end of the header (no tags), and the body. */
export function encodeTopicIdRequest(topics: readonly string[]): Buffer {
  const noTags = Buffer.from([0]);
  const named = topics.flatMap((topic) => {
    const name = Buffer.from(topic);
    return [noId, varint(name.length + 1), name, noTags];
  });
  // Topics are not created by asking for them, and nobody wants to know who may do what.
  const flags = Buffer.from([0, 0, 0]);
  return Buffer.concat([noTags, varint(topics.length + 1), ...named, flags, noTags]);
}

/** @throws RangeError where the bytes are no such answer. */
export function decodeTopicIds(payload: Buffer): ReadonlyMap<string, string> {
  const reader = new Reader(payload);
  reader.tags();
  reader.skip(4);
  reader.list(() => {
    reader.skip(4);
    reader.text();
    reader.skip(4);
    reader.text();
    reader.tags();
  });
  reader.text();
  reader.skip(4);
  const ids = new Map<string, string>();
  reader.list(() => {
    const error = reader.int16();
    const name = reader.text();
    const id = reader.bytes(16);
    reader.skip(1);
    reader.list(() => readPartition(reader));
    reader.skip(4);
    reader.tags();
    if (error === 0 && name !== undefined && !id.equals(noId)) ids.set(name, id.toString("base64url"));
  });
  return ids;
}

function readPartition(reader: Reader): void {
  // Error, number, leader, leader's epoch.
  reader.skip(2 + 4 + 4 + 4);
  // Replicas, those in sync, those offline.
  for (let lists = 0; lists < 3; lists += 1) reader.list(() => reader.skip(4));
  reader.tags();
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** Reads Kafka's compact types: lengths are variable, and one more than they say. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  bytes(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError("an answer about topics that ends too soon");
    const found = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return found;
  }

  skip(length: number): void {
    this.bytes(length);
  }

  int16(): number {
    return this.bytes(2).readInt16BE();
  }

  text(): string | undefined {
    const length = this.#varint();
    return length === 0 ? undefined : this.bytes(length - 1).toString("utf8");
  }

  list(item: () => void): void {
    const length = this.#varint();
    for (let index = 1; index < length; index += 1) item();
  }

  tags(): void {
    const count = this.#varint();
    for (let index = 0; index < count; index += 1) {
      this.#varint();
      this.skip(this.#varint());
    }
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes(1)[0] ?? 0;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RangeError("an answer about topics with a number that does not end");
  }
}
