import { connect } from "node:net";
import { createHealthServer } from "../../worker/health.ts";
import { createLifecycle } from "../../worker/lifecycle.ts";
import { createLiveness } from "../../worker/liveness.ts";
import { anyText, damaged } from "./generate.ts";
import { expect, type Target } from "./targets.ts";

/** The worker's HTTP server, over real connections. After each input it must still answer, and have changed nothing. */
export async function healthTarget(): Promise<{ readonly target: Target; close(): Promise<void> }> {
  const lifecycle = createLifecycle({ conditions: ["valkey"], onTransition: () => undefined });
  const server = createHealthServer({
    host: "127.0.0.1",
    port: 0,
    lifecycle,
    liveness: createLiveness({ now: () => 0 }),
    serveMetrics: (_, response) => response.end("up 1\n"),
    patienceMs: 1_000,
  });
  const { port } = await server.start();
  const before = JSON.stringify([lifecycle.state, lifecycle.conditions]);
  const target: Target = {
    name: "http",
    make: (chance) => {
      const method = chance.oneOf(["GET", "GET", "GET", "HEAD", "POST", "DELETE", "get", "PRI * HTTP/2.0"]);
      const path = chance.oneOf([
        "/livez",
        "/readyz?verbose",
        "/metrics",
        "//[",
        "*",
        "/..",
        "http://a/livez",
        anyText(chance),
      ]);
      const odd = ["content-length: -1", "transfer-encoding: chunked", "x: \0", "expect: 100-continue", "upgrade: h2c"];
      const headers = chance.list(2, () => (chance.below(4) === 0 ? anyText(chance) : chance.oneOf(odd)));
      const lines = [`${method} ${path} HTTP/1.1`, "host: a", ...headers, "connection: close", "", ""];
      const request = Buffer.from(lines.join("\r\n"));
      return chance.below(3) === 0 ? damaged(chance, request) : request;
    },
    play: async (input) => {
      const reply = await exchange(port, input);
      const alive = await exchange(port, Buffer.from("GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
      expect(alive.startsWith("HTTP/1.1 200 "), `/livez answered ${JSON.stringify(alive.slice(0, 40))} afterwards`);
      expect(
        JSON.stringify([lifecycle.state, lifecycle.conditions]) === before,
        "a request changed the worker's state",
      );
      const status = /^HTTP\/1\.1 (\d{3}) /.exec(reply)?.[1];
      expect(status !== "500", "answered 500");
      return status ?? "hung up";
    },
  };
  return { target, close: () => server.stop() };
}

/** What came back until the server hung up; our side ends after its bytes. */
function exchange(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.end(bytes));
    let text = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("error", () => undefined).on("close", () => resolve(text));
  });
}
