// Just enough of the protocol to ask a server who it is, so that this room needs no client library.
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface ValkeyAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly username: string;
  readonly password: string;
}

export interface ValkeyIdentity {
  readonly product: "Valkey" | "Redis";
  readonly version: string;
}

export function parseValkeyUrl(url: string): ValkeyAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const scheme = /^(valkey|redis)(s?):$/.exec(parsed?.protocol ?? "");
  if (parsed === undefined || scheme === null || parsed.hostname === "") {
    throw new Error(`Expected an address like redis://127.0.0.1:6379, got "${redacted(url)}".`);
  }
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ""),
    port: Number(parsed.port === "" ? 6379 : parsed.port),
    tls: scheme[2] === "s",
    username: decodeURIComponent(parsed.username),
    password: decodeURIComponent(parsed.password),
  };
}

export function redacted(url: string): string {
  return url.replace(/:\/\/[^@/]*@/, "://***@");
}

/** Rejects unless the server answers PING in time and says its version. */
export async function identifyValkey(address: ValkeyAddress, timeoutMs = 2_000): Promise<ValkeyIdentity> {
  const { username, password } = address;
  const login = password === "" ? [] : [["AUTH", ...(username === "" ? [] : [username]), password]];
  const replies = await askValkey(address, [...login, ["PING"], ["INFO", "server"]], timeoutMs);
  const info = replies.at(-1) ?? "";
  const valkey = /^valkey_version:([\d.]+)/m.exec(info)?.[1];
  const redis = /^redis_version:([\d.]+)/m.exec(info)?.[1];
  if (valkey === undefined && redis === undefined) throw new Error("Expected INFO to name a version, it does not.");
  return valkey === undefined ? { product: "Redis", version: redis ?? "" } : { product: "Valkey", version: valkey };
}

/** Sends all commands at once; rejects with the first refusal. */
export function askValkey(address: ValkeyAddress, commands: readonly string[][], timeoutMs = 2_000): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const { host, port, tls } = address;
    const socket: Socket = tls ? connectTls({ host, port, servername: host }) : connectPlain({ host, port });
    const settle = (act: () => void) => {
      clearTimeout(timer);
      socket.destroy();
      act();
    };
    const fail = (message: string) => settle(() => reject(new Error(message)));
    const timer = setTimeout(() => fail(`no answer from ${host}:${port} within ${timeoutMs} ms`), timeoutMs);
    let received = "";
    socket.on("error", (error) => fail(error.message));
    socket.on("close", () => fail(`${host}:${port} closed the connection`));
    socket.setEncoding("latin1").on("data", (text: string) => {
      received += text;
      const replies = parseReplies(received);
      const refusal = replies.find((reply) => reply.startsWith("-"));
      if (refusal !== undefined) fail(refusal.slice(1));
      else if (replies.length === commands.length) settle(() => resolve(replies));
    });
    socket.write(commands.map(encode).join(""));
  });
}

function encode(command: readonly string[]): string {
  return `*${command.length}\r\n${command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join("")}`;
}

/** The complete replies so far; an error keeps its "-", a status loses its "+", a list becomes lines. */
function parseReplies(text: string): string[] {
  const replies: string[] = [];
  for (let at = 0; ; ) {
    const reply = replyAt(text, at);
    if (reply === undefined) return replies;
    replies.push(reply.value);
    at = reply.end;
  }
}

/** `undefined` while it is incomplete. */
function replyAt(text: string, at: number): { readonly value: string; readonly end: number } | undefined {
  const lineEnd = text.indexOf("\r\n", at);
  if (lineEnd === -1) return undefined;
  const line = text.slice(at, lineEnd);
  const next = lineEnd + 2;
  if (line === "$-1") return { value: "(nil)", end: next };
  if (line.startsWith("$")) {
    const end = next + Number(line.slice(1));
    return text.length < end + 2 ? undefined : { value: text.slice(next, end), end: end + 2 };
  }
  if (!line.startsWith("*")) return { value: line.replace(/^[+]/, ""), end: next };
  const items: string[] = [];
  let end = next;
  while (items.length < Number(line.slice(1))) {
    const item = replyAt(text, end);
    if (item === undefined) return undefined;
    items.push(item.value);
    end = item.end;
  }
  return { value: items.join("\n"), end };
}
