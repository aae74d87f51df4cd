import { connect, type Socket } from "node:net";
import type { Redis } from "./client.ts";
import type { Sample } from "./rounds.ts";
import { usageOf } from "./server.ts";

export interface Saturation {
  readonly admin: Redis;
  readonly port: number;
  /** Commands whose replies all have the same length; each connection sends them round and round. */
  readonly commands: readonly (readonly string[])[];
  readonly connections: number;
  /** Commands under way on each connection. */
  readonly depth: number;
  readonly ms: number;
}

/** Keeps a server busy with as little work of our own as possible: requests are encoded beforehand, replies only counted. */
export async function saturate({ admin, port, commands, connections, depth, ms }: Saturation): Promise<Sample> {
  const packs: Buffer[] = [];
  for (let from = 0; from + depth <= commands.length; from += depth)
    packs.push(Buffer.concat(commands.slice(from, from + depth).map(encode)));
  if (packs.length === 0) packs.push(Buffer.concat(commands.map(encode)));
  const size = Math.min(depth, commands.length);
  const replies = await Promise.all(packs.map((pack) => replyLength(port, pack, size)));
  const usage = await usageOf(admin);
  const began = performance.now();
  const until = began + ms;
  const lanes = Array.from({ length: connections }, (_, lane) => spin({ port, packs, replies, first: lane, until }));
  const count = (await Promise.all(lanes)).reduce((sum, turns) => sum + turns, 0) * size;
  const lasted = performance.now() - began;
  const serverMicros = ((await usageOf(admin)).micros - usage.micros) / count;
  return { rate: (count / lasted) * 1e3, serverMicros, perCore: 1e6 / serverMicros };
}

function encode(words: readonly string[]): Buffer {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return Buffer.from(`*${words.length}\r\n${parts.join("")}`);
}

/** Bytes of the replies to a pack. An ECHO behind it marks where they end. */
async function replyLength(port: number, pack: Buffer, size: number): Promise<number> {
  const mark = "end-of-replies";
  const socket = await open(port);
  const tail = Buffer.from(`$${mark.length}\r\n${mark}\r\n`);
  let received = Buffer.alloc(0);
  const done = new Promise<number>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.subarray(-tail.length).equals(tail)) resolve(received.length - tail.length);
    });
  });
  socket.write(Buffer.concat([pack, encode(["ECHO", mark])]));
  const length = await done;
  socket.destroy();
  const errors = received
    .toString("latin1")
    .split("\r\n")
    .filter((line) => line.startsWith("-")).length;
  if (errors > 0) throw new Error(`${errors} of ${size} commands failed: ${received.toString("latin1", 0, 200)}`);
  return length;
}

interface Spin {
  readonly port: number;
  readonly packs: readonly Buffer[];
  readonly replies: readonly number[];
  readonly first: number;
  readonly until: number;
}

/** Sends pack after pack until the time is over; resolves to how many. */
async function spin({ port, packs, replies, first, until }: Spin): Promise<number> {
  const socket = await open(port);
  let at = first % packs.length;
  let turns = 0;
  let missing = 0;
  const send = (): void => {
    missing += replies[at] ?? 0;
    socket.write(packs[at] ?? Buffer.alloc(0));
    at = (at + 1) % packs.length;
  };
  const done = new Promise<number>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      missing -= chunk.length;
      if (missing > 0) return;
      turns += 1;
      if (performance.now() < until) send();
      else resolve(turns);
    });
  });
  send();
  await done;
  socket.destroy();
  return turns;
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket)).setNoDelay();
    socket.once("error", reject);
  });
}
