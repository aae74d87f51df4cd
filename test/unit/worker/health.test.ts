import { connect } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { createHealthServer, type HealthServer } from "../../../worker/health.ts";
import { createLifecycle } from "../../../worker/lifecycle.ts";
import { createLiveness, stuckAfterMs } from "../../../worker/liveness.ts";
import { slowly } from "../../support/slow-client.ts";

let server: HealthServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

async function serve(options: { readonly patienceMs?: number } = {}) {
  const lifecycle = createLifecycle({ conditions: ["valkey", "kafka"], onTransition: () => undefined });
  let time = 0;
  const liveness = createLiveness({ now: () => time });
  const pass = (ms: number): void => {
    time += ms;
  };
  server = createHealthServer({
    host: "127.0.0.1",
    port: 0,
    lifecycle,
    liveness,
    serveMetrics: (_, response) => response.end("up 1\n"),
    ...options,
  });
  const { port } = await server.start();
  return { lifecycle, liveness, pass, url: `http://127.0.0.1:${port}`, port };
}

async function get(url: string, init?: RequestInit): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(url, init);
  return { status: response.status, text: await response.text() };
}

describe("/livez", () => {
  test("knows nothing of dependencies", async () => {
    const { lifecycle, url } = await serve();
    lifecycle.unmet("valkey", "connection refused");
    expect(await get(`${url}/livez`)).toEqual({ status: 200, text: "ok\n" });
  });

  test("fails when its own rounds stand still, and not while none is due", async () => {
    const { liveness, pass, url } = await serve();
    pass(stuckAfterMs);
    expect((await get(`${url}/livez`)).status).toBe(200);
    liveness.turn();
    pass(stuckAfterMs - 1);
    expect((await get(`${url}/livez?verbose`)).text).toContain("[+]rounds ok: the last one 60.0 s ago");
    pass(1);
    expect(await get(`${url}/livez`)).toEqual({ status: 503, text: "failed: rounds\n" });
    expect((await get(`${url}/livez?verbose`)).text).toContain("none has ended for 60.0 s");
    liveness.turn();
    expect((await get(`${url}/livez`)).status).toBe(200);
    pass(stuckAfterMs);
    liveness.rest();
    expect((await get(`${url}/livez`)).status).toBe(200);
  });

  test("fails when the worker gave up", async () => {
    const { lifecycle, url } = await serve();
    lifecycle.happen("fail", "the consumer crashed too often");
    expect(await get(`${url}/livez`)).toEqual({ status: 503, text: "failed: supervisor\n" });
    expect((await get(`${url}/livez?verbose`)).text).toContain(
      "[-]supervisor failed: failed: the consumer crashed too often",
    );
  });
});

describe("/readyz", () => {
  test("lists each check with its reason", async () => {
    const { lifecycle, url } = await serve();
    lifecycle.met("valkey", "answers");
    lifecycle.unmet("kafka", "topic a\n does not exist");
    expect(await get(`${url}/readyz?verbose`)).toEqual({
      status: 503,
      text:
        "[+]valkey ok: answers\n[-]kafka failed: topic a does not exist\n" +
        "[-]lifecycle failed: waiting: kafka: topic a does not exist\nfailed: kafka, lifecycle\n",
    });
    expect(await get(`${url}/readyz`)).toEqual({ status: 503, text: "failed: kafka, lifecycle\n" });
  });

  test("is ok while the worker runs, and not when it drains", async () => {
    const { lifecycle, url } = await serve();
    expect((await get(`${url}/readyz`)).status).toBe(503);
    lifecycle.met("valkey", "answers");
    lifecycle.met("kafka", "joined");
    expect(await get(`${url}/readyz`)).toEqual({ status: 200, text: "ok\n" });
    lifecycle.happen("stop", "SIGTERM");
    expect(await get(`${url}/readyz`)).toEqual({ status: 503, text: "failed: lifecycle\n" });
  });
});

describe("the server", () => {
  test("serves metrics, and HEAD", async () => {
    const { url } = await serve();
    expect(await get(`${url}/metrics`)).toEqual({ status: 200, text: "up 1\n" });
    expect(await get(`${url}/livez`, { method: "HEAD" })).toEqual({ status: 200, text: "" });
  });

  test.each(["/", "/livez/", "/LIVEZ", "/toString", "/__proto__", "/..%2flivez", "//livez"])(
    "has no page %s",
    async (path) => {
      const { url } = await serve();
      expect((await get(`${url}${path}`)).status).toBe(404);
    },
  );

  test.each(["POST", "PUT", "DELETE"])("takes no %s", async (method) => {
    const { url } = await serve();
    const response = await fetch(`${url}/readyz`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, HEAD");
    await response.text();
  });

  test.each([
    ["headers without an end", `GET /livez HTTP/1.1\r\nx: ${"a".repeat(20_000)}\r\n`, "431"],
    ["no HTTP", "\0\0\0\r\n\r\n", "400"],
    ["a target that is no path", "GET http://[ HTTP/1.1\r\nhost: a\r\n\r\n", "404"],
  ])("answers to %s, and lives", async (_, bytes, status) => {
    const { url, port } = await serve();
    const reply = await new Promise<string>((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
      let text = "";
      socket.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
        socket.end();
      });
      socket.on("close", () => resolve(text)).on("error", reject);
    });
    expect(reply.split(" ")[1]).toBe(status);
    expect((await get(`${url}/livez`)).status).toBe(200);
  });

  test.each([
    ["headers that never end", "GET /livez HTTP/1.1\r\nx: y\r\n", "408"],
    ["a body that never ends", "GET /livez HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nx", "200|408"],
    ["nothing at all", "", "408"],
  ])("hangs up on whoever sends %s", async (_, bytes, status) => {
    const { port } = await serve({ patienceMs: 50 });
    expect(await slowly(port, bytes)).toMatch(new RegExp(`^HTTP/1.1 (${status}) `));
  });

  test("no request changes what it answers", async () => {
    const { lifecycle, url } = await serve();
    const before = { state: lifecycle.state, conditions: JSON.stringify(lifecycle.conditions) };
    for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
      for (const path of ["/livez", "/readyz?verbose", "/metrics", "/events", "/stop"]) {
        await get(`${url}${path}`, { method });
      }
    }
    expect({ state: lifecycle.state, conditions: JSON.stringify(lifecycle.conditions) }).toEqual(before);
  });

  test("says what to do when the port is taken", async () => {
    const { port, lifecycle, liveness } = await serve();
    const serveMetrics = (): void => undefined;
    const second = createHealthServer({ host: "127.0.0.1", port, lifecycle, liveness, serveMetrics });
    await expect(second.start()).rejects.toMatchObject({
      code: "UNSTALE_HTTP_LISTEN",
      message: expect.stringContaining("UNSTALE_HTTP_PORT"),
    });
    await second.stop();
  });

  test("stops with connections open, and twice", async () => {
    const { port } = await serve();
    const socket = connect(port, "127.0.0.1");
    const closed = new Promise((resolve) => socket.on("close", resolve).on("error", () => undefined));
    await new Promise((resolve) => socket.once("connect", resolve));
    await server?.stop();
    await server?.stop();
    await closed;
  });
});
