// Users with SCRAM credentials, made and taken away while a broker runs. kafkajs has no such request, and Kafka's own tool
// costs a JVM, so the one request is spelled out here: AlterUserScramCredentials, version 0.
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { connect } from "node:net";

export interface ScramUser {
  readonly mechanism: "SCRAM-SHA-256" | "SCRAM-SHA-512";
  readonly name: string;
  readonly password: string;
}

const mechanisms = {
  "SCRAM-SHA-256": { id: 1, digest: "sha256", bytes: 32 },
  "SCRAM-SHA-512": { id: 2, digest: "sha512", bytes: 64 },
} as const;

const API_KEY = 51;
const ITERATIONS = 4_096;
const TIMEOUT_MS = 10_000;

/** Adds them, or gives them another password. `broker`: a plain listener whose anonymous user may do so. */
export async function setScramUsers(broker: string, users: readonly ScramUser[]): Promise<void> {
  // One request may change a user only once, and somebody may have both mechanisms.
  for (const { mechanism, name, password } of users) {
    const { id, digest, bytes } = mechanisms[mechanism];
    const salt = randomBytes(16);
    const salted = pbkdf2Sync(password, salt, ITERATIONS, bytes, digest);
    const upsertion = [text(name), int8(id), int32(ITERATIONS), compact(salt), compact(salted), noTags];
    await alter(broker, [list([]), list([upsertion])]);
  }
}

/** Who is logged in stays so until the broker asks again (`connections.max.reauth.ms`). */
export async function deleteScramUser(broker: string, { name, mechanism }: Omit<ScramUser, "password">): Promise<void> {
  await alter(broker, [list([[text(name), int8(mechanisms[mechanism].id), noTags]]), list([])]);
}

async function alter(broker: string, body: readonly Buffer[]): Promise<void> {
  const header = [int16(API_KEY), int16(0), int32(1), int16(-1), noTags];
  const answer = await ask(broker, Buffer.concat([...header, ...body, noTags]));
  // Correlation, tags, throttle time, then for each user: name, error code, message.
  let at = 4 + 1 + 4;
  const count = answer.readUInt8(at++) - 1;
  for (let index = 0; index < count; index++) {
    at += answer.readUInt8(at);
    const code = answer.readInt16BE(at);
    const messageLength = Math.max(0, answer.readUInt8(at + 2) - 1);
    const message = answer.toString("utf8", at + 3, at + 3 + messageLength);
    if (code !== 0) throw new Error(`Kafka did not change the user: error ${code} ${message}`);
    at += 3 + messageLength + 1;
  }
}

function ask(broker: string, request: Buffer): Promise<Buffer> {
  const at = broker.lastIndexOf(":");
  return new Promise((resolve, reject) => {
    const socket = connect({ host: broker.slice(0, at), port: Number(broker.slice(at + 1)), timeout: TIMEOUT_MS });
    let received = Buffer.alloc(0);
    socket.once("error", reject);
    socket.once("timeout", () => socket.destroy(new Error(`no answer from ${broker} within ${TIMEOUT_MS} ms`)));
    socket.once("close", () => reject(new Error(`${broker} closed the connection`)));
    socket.on("data", (bytes) => {
      received = Buffer.concat([received, bytes]);
      if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return;
      resolve(received.subarray(4));
      socket.destroy();
    });
    socket.write(Buffer.concat([int32(request.length), request]));
  });
}

const noTags = int8(0);

function int8(value: number): Buffer {
  return Buffer.from([value]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** Compact forms say their length plus one; all that is sent here is shorter than 127, which is one byte. */
function compact(bytes: Buffer): Buffer {
  if (bytes.length > 126) throw new Error(`Expected at most 126 bytes, got ${bytes.length}.`);
  return Buffer.concat([int8(bytes.length + 1), bytes]);
}

function text(value: string): Buffer {
  return compact(Buffer.from(value));
}

function list(items: readonly (readonly Buffer[])[]): Buffer {
  return Buffer.concat([int8(items.length + 1), ...items.flat()]);
}
