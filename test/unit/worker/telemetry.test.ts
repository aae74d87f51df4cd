import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { context, metrics, propagation, SpanKind, trace } from "@opentelemetry/api";
import { core, node, tracing as sdk } from "@opentelemetry/sdk-node";
import type { Slice } from "../../../consumers/change-source.ts";
import { createLogger } from "../../../worker/logger.ts";
import { createWorkerMetrics, workerMetrics } from "../../../worker/metrics.ts";
import { createSliceTracing } from "../../../worker/slice-tracing.ts";
import { startTelemetry } from "../../../worker/telemetry.ts";
import { documents, slice } from "./scene.ts";

describe("spans", () => {
  const exporter = new sdk.InMemorySpanExporter();
  const provider = new node.NodeTracerProvider({ spanProcessors: [new sdk.SimpleSpanProcessor(exporter)] });
  beforeAll(() => provider.register({ propagator: new core.W3CTraceContextPropagator() }));
  afterEach(() => exporter.reset());
  afterAll(async () => {
    await provider.shutdown();
    trace.disable();
    context.disable();
    propagation.disable();
  });

  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  const traceparent = (id: string): Record<string, string> => ({ traceparent: `00-${traceId}-${id}-01` });

  async function run(given: Slice): Promise<readonly sdk.ReadableSpan[]> {
    const tracing = createSliceTracing(trace.getTracer("test"), "group");
    await tracing.slice(given, () =>
      tracing.invalidate({ documents: [{ id: "article:1" }, { id: "article:2" }], scopes: [] }, async (span) => {
        span.setAttribute("unstale.entries.deleted", 3);
        tracing.drain(2, Promise.resolve({ deleted: 7 }));
      }),
    );
    return exporter.getFinishedSpans();
  }

  test("one record: a child of its producer, then invalidate, then drain, all in one trace", async () => {
    const spans = await run({
      ...slice({ first: 5, changes: documents("article:1") }),
      traces: [traceparent("00f067aa0ba902b7")],
    });
    const byName = Object.fromEntries(spans.map((span) => [span.name, span]));
    expect(Object.keys(byName).sort()).toEqual(["drain", "invalidate", "process t"]);
    expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([traceId]));
    expect(byName["process t"]).toMatchObject({
      kind: SpanKind.CONSUMER,
      links: [],
      parentSpanContext: { spanId: "00f067aa0ba902b7" },
      attributes: {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": "t",
        "messaging.destination.partition.id": "0",
        "messaging.consumer.group.name": "group",
        "messaging.kafka.offset": 5,
      },
    });
    expect(byName.invalidate).toMatchObject({
      kind: SpanKind.CLIENT,
      parentSpanContext: { spanId: byName["process t"]?.spanContext().spanId },
      attributes: { "db.system.name": "redis", "unstale.documents": 2, "unstale.entries.deleted": 3 },
    });
    expect(byName.invalidate?.events.map(({ attributes }) => attributes?.["unstale.document.id"])).toEqual([
      "article:1",
      "article:2",
    ]);
    expect(byName.drain).toMatchObject({ attributes: { "unstale.drains": 2, "unstale.entries.deleted": 7 } });
  });

  test("several records: a trace of its own with links to each producer", async () => {
    const traces = [traceparent("00f067aa0ba902b7"), traceparent("00f067aa0ba902b8"), { traceparent: "nonsense" }];
    const spans = await run({ ...slice({ first: 5, changes: documents("a", "b", "c") }), traces });
    const root = spans.find(({ name }) => name === "process t");
    expect(root?.parentSpanContext).toBeUndefined();
    expect(root?.links.map((link) => link.context.spanId)).toEqual(["00f067aa0ba902b7", "00f067aa0ba902b8"]);
    expect(root?.attributes["messaging.batch.message_count"]).toBe(3);
  });

  test("a failure is on its span, and is thrown", async () => {
    const tracing = createSliceTracing(trace.getTracer("test"), "group");
    await expect(tracing.slice(slice({ first: 0 }), () => Promise.reject(new TypeError("a bug")))).rejects.toThrow(
      "a bug",
    );
    expect(exporter.getFinishedSpans()[0]).toMatchObject({
      attributes: { "error.type": "TypeError" },
      status: { message: "a bug" },
    });
  });

  test("log lines carry the ids of the active span", async () => {
    const lines: string[] = [];
    const log = createLogger({
      level: "info",
      format: "json",
      destination: { write: (line) => void lines.push(line) },
    });
    const tracing = createSliceTracing(trace.getTracer("test"), "group");
    await tracing.slice(slice({ first: 0 }), async (span) => {
      log.info({ offset: 17n }, "inside");
      expect(JSON.parse(lines[0] ?? "")).toMatchObject({
        level: "info",
        msg: "inside",
        offset: 17,
        trace_id: span.spanContext().traceId,
        span_id: span.spanContext().spanId,
      });
    });
  });
});

describe("log lines", () => {
  test("of our errors have a code and no stack; of others a stack; of secrets nothing", () => {
    const lines: string[] = [];
    const log = createLogger({
      level: "info",
      format: "json",
      destination: { write: (line) => void lines.push(line) },
    });
    const ours = Object.assign(new Error("Valkey is away", { cause: new Error("ECONNREFUSED") }), {
      code: "UNSTALE_X",
    });
    log.warn({ err: ours, password: "hunter2", sasl: { password: "hunter2" } }, "a");
    log.error({ err: new TypeError("a bug") }, "b");
    expect(lines.join("")).not.toContain("hunter2");
    expect(JSON.parse(lines[0] ?? "").err).toEqual({
      type: "Error",
      message: "Valkey is away",
      code: "UNSTALE_X",
      cause: "Error: ECONNREFUSED",
    });
    expect(JSON.parse(lines[1] ?? "").err.stack).toContain("TypeError: a bug");
  });

  test("for people are not JSON", () => {
    const lines: string[] = [];
    createLogger({ level: "info", format: "pretty", destination: { write: (line) => void lines.push(line) } }).info(
      { a: 1 },
      "hello",
    );
    expect(lines.join("")).toContain("hello");
    expect(() => JSON.parse(lines.join(""))).toThrow();
  });
});

describe("metrics", () => {
  test("all are served as Prometheus text, also with OTEL_SDK_DISABLED", async () => {
    const telemetry = startTelemetry({ env: { OTEL_SDK_DISABLED: "true" }, version: "1.2.3" });
    const worker = createWorkerMetrics(metrics.getMeter("test"));
    for (const [metric, { kind }] of Object.entries(workerMetrics)) {
      const name = metric as never;
      if (kind === "counter") worker.add(name);
      else if (kind === "histogram") worker.record(name, 40, { topic: "t" });
      else worker.observe(name, () => [{ value: 1, attributes: { state: "owned" } }]);
    }
    const server = createServer((request, response) => telemetry.serveMetrics(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    await new Promise((resolve) => server.close(resolve));
    await telemetry.shutdown(1_000);
    for (const { name } of Object.values(workerMetrics)) expect(text).toContain(name.replaceAll(".", "_"));
    expect(text).toContain('unstale_worker_event_to_unservable_bucket{topic="t",otel_scope_name="test",le="0.05"} 1');
    expect(text).toContain('service_version="1.2.3"');
    expect(telemetry.tracing).toBe(false);
  });
});
