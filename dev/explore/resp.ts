import { connect, type Socket } from "node:net";
import type { ReadyClient } from "@unstale/cache-core";

/** Just enough of a client: commands are sent in the order of their calls, many before the first reply. */
export class RespClient implements ReadyClient {
  readonly status = "ready";
  readonly options: { readonly host: string; readonly port: number };
  /** Commands so far. */
  sent = 0;
  readonly #socket: Socket;
  readonly #waiting: { resolve(reply: unknown): void; reject(error: Error): void }[] = [];
  #unread: Buffer = Buffer.alloc(0);
  #unsent: string[] = [];

  private constructor(socket: Socket, options: { readonly host: string; readonly port: number }) {
    this.#socket = socket;
    this.options = options;
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("The connection was closed.")));
  }

  static connect(host: string, port: number): Promise<RespClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true }, () => resolve(new RespClient(socket, { host, port })));
      socket.once("error", reject);
    });
  }

  call(command: string, ...words: (string | number)[]): Promise<unknown> {
    const bulk = [command, ...words.map(String)].map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    this.sent += 1;
    if (this.#unsent.length === 0) setImmediate(() => this.#send());
    this.#unsent.push(`*${bulk.length}\r\n${bulk.join("")}`);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  evalsha(sha: string, keys: number, ...words: string[]): Promise<unknown> {
    return this.call("EVALSHA", sha, keys, ...words);
  }

  eval(script: string, keys: number, ...words: string[]): Promise<unknown> {
    return this.call("EVAL", script, keys, ...words);
  }

  once(): void {}

  removeListener(): void {}

  close(): void {
    this.#socket.destroy();
  }

  #send(): void {
    this.#socket.write(this.#unsent.join(""));
    this.#unsent = [];
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  #receive(chunk: Buffer): void {
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    const reader = new ReplyReader(this.#unread);
    for (let reply = reader.next(); reply !== undefined; reply = reader.next()) {
      const waiting = this.#waiting.shift();
      if (reply.value instanceof Error) waiting?.reject(reply.value);
      else waiting?.resolve(reply.value);
    }
    this.#unread = this.#unread.subarray(reader.read);
  }
}

interface Whole {
  readonly value: unknown;
}

/** RESP2. */
class ReplyReader {
  /** Bytes of whole replies. */
  read = 0;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** `undefined`: not whole yet. */
  next(): Whole | undefined {
    this.#at = this.read;
    const reply = this.#reply();
    if (reply) this.read = this.#at;
    return reply;
  }

  #reply(): Whole | undefined {
    const end = this.#bytes.indexOf("\r\n", this.#at);
    if (end === -1) return undefined;
    const kind = String.fromCharCode(this.#bytes[this.#at] ?? 0);
    const line = this.#bytes.toString("utf8", this.#at + 1, end);
    this.#at = end + 2;
    if (kind === "+") return { value: line };
    if (kind === ":") return { value: Number(line) };
    if (kind === "-") return { value: Object.assign(new Error(line), { name: "ReplyError" }) };
    return kind === "$" ? this.#bulk(Number(line)) : this.#array(Number(line));
  }

  #bulk(length: number): Whole | undefined {
    if (length < 0) return { value: null };
    if (this.#bytes.length < this.#at + length + 2) return undefined;
    const value = this.#bytes.toString("utf8", this.#at, this.#at + length);
    this.#at += length + 2;
    return { value };
  }

  #array(length: number): Whole | undefined {
    const items: unknown[] = [];
    for (let index = 0; index < length; index += 1) {
      const item = this.#reply();
      if (!item) return undefined;
      items.push(item.value);
    }
    return { value: items };
  }
}
