import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, expect, test } from "@jest/globals";
import { splitValues } from "../../../consumers/embedded-request.ts";
import { createEmbeddedSource, createSubscriptions, type EmbeddedSourceOptions } from "../../../consumers/index.ts";
import { MemoryLog } from "../../../consumers/memory-log.ts";
import { RecordingHandlers, type RecordingHandlersOptions } from "../../support/recording-handlers.ts";
import { slowly } from "../../support/slow-client.ts";

const open: { stop(options: { drainMs: number }): Promise<unknown> }[] = [];

async function started(options: Partial<EmbeddedSourceOptions> = {}, handling: RecordingHandlersOptions = {}) {
  const subscriptions = createSubscriptions([{ topic: "cms.documents", format: "json", wide: false }]);
  const source = createEmbeddedSource({ subscriptions, ...options });
  const handlers = new RecordingHandlers(handling);
  open.push(source);
  await source.start(handlers);
  const post = async (body: string, query = "", init: RequestInit = {}) => {
    const response = await fetch(`${source.url}${query}`, { method: "POST", body, ...init });
    return { status: response.status, body: await response.json() };
  };
  return { source, handlers, post };
}

afterEach(async () => {
  for (const source of open.splice(0)) await source.stop({ drainMs: 0 });
});

test.each([
  ["an object", '{"id":"a"}', 1],
  ["an object over several lines", '{\n  "id": "a"\n}\n', 1],
  ["a list", '[{"id":"a"},{"id":"b"}]', 2],
  ["lines", '{"id":"a"}\n\n{"id":"b"}\r\n{"id":"c"}', 3],
])("%s", async (_, body, count) => {
  const { handlers, post } = await started();
  expect(await post(body)).toEqual({ status: 200, body: { applied: count, failed: [] } });
  expect(handlers.ids).toHaveLength(count);
});

test("lines that cannot be read are told by number; the others are applied", async () => {
  const { handlers, post, source } = await started();
  const { status, body } = await post('{"id":"a"}\n{"id":""}\nnonsense\n{"id":"b"}');
  expect(status).toBe(400);
  expect(body).toMatchObject({
    applied: 2,
    failed: [
      { line: 2, reason: "invalid-id" },
      { line: 3, reason: "not-json" },
    ],
  });
  expect(handlers.ids).toEqual(["a", "b"]);
  expect(source.deadLetters.map(({ reason }) => reason)).toEqual(["invalid-id", "not-json"]);
});

test("what cannot be applied in time is answered 202, and applied later", async () => {
  let down = true;
  const { handlers, post } = await started(
    { answerMs: 1 },
    {
      onSlice: () =>
        down ? { kind: "retry", afterMs: 1, reason: "down" } : { kind: "applied", settled: Promise.resolve() },
    },
  );
  expect(await post('{"id":"a"}')).toEqual({ status: 202, body: { accepted: 1, failed: [] } });
  down = false;
  await handlers.until(() => handlers.committed() === 1n);
});

test("a request that waits is answered when the source stops", async () => {
  const { source, handlers, post } = await started(
    {},
    { onSlice: () => ({ kind: "retry", afterMs: 60_000, reason: "down" }) },
  );
  const answer = post('{"id":"a"}');
  await handlers.until(() => handlers.noticesOf("paused").length === 1);
  await source.stop({ drainMs: 0 });
  expect((await answer).status).toBe(503);
});

test.each<[string, string, RequestInit, number]>([
  ["too large a body", "", { body: "x".repeat(2_000) }, 413],
  ["an empty body", "", { body: "\n\n" }, 400],
  ["a topic that nobody reads", "?topic=other", {}, 404],
  ["another method", "", { method: "PUT" }, 405],
  ["a browser", "", { headers: { origin: "https://example.com" } }, 403],
])("refused: %s", async (_, query, init, status) => {
  const { handlers, post } = await started({ maxBodyBytes: 1_000 });
  expect((await post('{"id":"a"}', query, init)).status).toBe(status);
  expect(handlers.slices).toEqual([]);
});

test("with several topics one has to be named", async () => {
  const subscriptions = createSubscriptions([
    { topic: "a", format: "json", wide: false },
    { topic: "b", format: "json", wide: true },
  ]);
  const { handlers, post } = await started({ subscriptions });
  expect((await post('{"id":"x"}')).status).toBe(400);
  expect((await post('{"all":true}', "?topic=a")).body).toMatchObject({ failed: [{ reason: "not-wide" }] });
  expect((await post('{"all":true}', "?topic=b")).status).toBe(200);
  expect(handlers.slices.flatMap(({ changes }) => changes)).toMatchObject([{ change: { kind: "all" } }]);
});

test("trace headers of the request become those of its records", async () => {
  const { handlers, post } = await started();
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  await post('{"id":"a"}\n{"id":"b"}', "", { headers: { traceparent } });
  expect(handlers.slices[0]?.traces).toEqual([{ traceparent }]);
});

test("a seek to what memory has forgotten is a gap", async () => {
  const { source, handlers, post } = await started({ keep: 2 });
  await post('{"id":"a"}\n{"id":"b"}\n{"id":"c"}\n{"id":"d"}');
  await handlers.until(() => handlers.committed() === 4n);
  source.seek({ topic: "cms.documents", partition: 0, offset: 0n });
  await handlers.until(() => handlers.ids.length === 6);
  expect(handlers.gaps).toMatchObject([{ from: 0n, to: 2n, cause: "retention" }]);
  expect(handlers.ids.slice(4)).toEqual(["c", "d"]);
});

test("an address that is taken is told", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const subscriptions = createSubscriptions([{ topic: "a", format: "json", wide: false }]);
  const source = createEmbeddedSource({ subscriptions, port });
  await expect(source.start(new RecordingHandlers())).rejects.toMatchObject({ code: "UNSTALE_EMBEDDED_LISTEN" });
  expect(await source.stop({ drainMs: 0 })).toEqual({ drained: true });
  server.close();
});

test.each([
  ["headers that never end", "POST /events HTTP/1.1\r\nx: y\r\n", "408"],
  ["a body that never ends", "POST /events HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{", "408"],
  ["a target that is no path", "POST //[ HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{", "404|408"],
  ["too many headers", `POST /events HTTP/1.1\r\nx: ${"a".repeat(20_000)}\r\n`, "431"],
])("hangs up on whoever sends %s, and applies nothing", async (_, bytes, status) => {
  const { handlers, source } = await started({ patienceMs: 50 });
  const reply = await slowly(Number(new URL(source.url).port), bytes);
  expect(reply).toMatch(new RegExp(`^HTTP/1.1 (${status}) `));
  expect(handlers.ids).toEqual([]);
});

test("a value stays the bytes that were sent", () => {
  const bytes = Buffer.concat([Buffer.from('{"id":"'), Buffer.from([0xff]), Buffer.from('"}\nx')]);
  expect(splitValues(bytes).map((value) => value.length)).toEqual([10, 1]);
});

test("memory keeps what has not settled, however much it is", () => {
  const log = new MemoryLog("t", 2);
  for (let index = 0; index < 5; index += 1) log.append({ key: null, value: null, headers: {}, timestamp: 0 });
  log.trim(1n);
  expect([log.low, log.end]).toEqual([1n, 5n]);
  log.trim(5n);
  expect([log.low, log.end, log.from(3n).size]).toEqual([3n, 5n, 2]);
});
