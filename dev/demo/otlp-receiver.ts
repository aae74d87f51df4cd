// The smallest collector there is: takes OTLP over HTTP as JSON and keeps the spans.
import { createServer } from "node:http";
import { isRecord, listOf } from "./json.ts";

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  /** Milliseconds since the epoch, with fractions. */
  readonly start: number;
  readonly end: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

export interface OtlpReceiver {
  readonly endpoint: string;
  readonly spans: readonly Span[];
  close(): Promise<void>;
}

export async function startOtlpReceiver({ keep = 5_000 }: { readonly keep?: number } = {}): Promise<OtlpReceiver> {
  const spans: Span[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (request.url === "/v1/traces") spans.push(...parseSpans(Buffer.concat(chunks).toString()));
      spans.splice(0, spans.length - keep);
      response.setHeader("content-type", "application/json").end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1" }, resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    spans,
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    },
  };
}

export function parseSpans(json: string): Span[] {
  const body: unknown = JSON.parse(json);
  return listOf(body, "resourceSpans")
    .flatMap((resource) => listOf(resource, "scopeSpans"))
    .flatMap((scope) => listOf(scope, "spans"))
    .flatMap((span) => (isRecord(span) ? [readSpan(span)] : []));
}

function readSpan(span: Readonly<Record<string, unknown>>): Span {
  return {
    ...identity(span),
    parentSpanId: text(span.parentSpanId),
    name: text(span.name),
    start: milliseconds(span.startTimeUnixNano),
    end: milliseconds(span.endTimeUnixNano),
    attributes: Object.fromEntries(
      listOf(span, "attributes").flatMap((attribute) =>
        isRecord(attribute) && isRecord(attribute.value)
          ? [[text(attribute.key), text(Object.values(attribute.value)[0])]]
          : [],
      ),
    ),
    links: listOf(span, "links").flatMap((link) => (isRecord(link) ? [identity(link)] : [])),
  };
}

function identity(value: Readonly<Record<string, unknown>>): { traceId: string; spanId: string } {
  return { traceId: text(value.traceId), spanId: text(value.spanId) };
}

function text(value: unknown): string {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}

/** Nanoseconds as text: too many digits for a number. */
function milliseconds(nanoseconds: unknown): number {
  return Number(BigInt(text(nanoseconds) || 0) / 1_000n) / 1_000;
}
