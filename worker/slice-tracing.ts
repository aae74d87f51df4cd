import {
  type Attributes,
  type Context,
  context,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { Slice } from "../consumers/change-source.ts";
import type { Coalesced } from "./coalesce.ts";

/** Spans of the worker. docs/telemetry.md shows the same table. */
export const workerSpans = {
  process: "process <topic>",
  invalidate: "invalidate",
  drain: "drain",
} as const;

/** Document events on one span: enough to recognise a slice by, few enough to read. */
const maxDocumentEvents = 10;

export interface SliceTracing {
  /** Runs `work` inside a `process` span: a child of the one producer, or linked to all of them. */
  slice<T>(slice: Slice, work: (span: Span) => Promise<T>): Promise<T>;
  /** Runs `work` inside a span of the one call to Valkey. */
  invalidate<T>(changes: Coalesced, work: (span: Span) => Promise<T>): Promise<T>;
  /** A span around deletions that go on after the slice was applied; `deleted` is written on it. */
  drain(drains: number, deleted: Promise<{ readonly deleted: number }>): void;
}

export function createSliceTracing(tracer: Tracer, group: string): SliceTracing {
  return {
    slice: (slice, work) => {
      const producers = slice.traces.map((carrier) => propagation.extract(ROOT_CONTEXT, carrier));
      const single = slice.records === 1 ? producers[0] : undefined;
      const options = {
        kind: SpanKind.CONSUMER,
        attributes: sliceAttributes(slice, group),
        links: single ? [] : producers.flatMap(linkOf),
      };
      return inSpan(tracer, `process ${slice.topic}`, options, single ?? ROOT_CONTEXT, work);
    },
    invalidate: (changes, work) => {
      const options = { kind: SpanKind.CLIENT, attributes: invalidateAttributes(changes) };
      return inSpan(tracer, workerSpans.invalidate, options, context.active(), (span) => {
        for (const { id } of changes.documents.slice(0, maxDocumentEvents)) {
          span.addEvent("unstale.document", { "unstale.document.id": id });
        }
        return work(span);
      });
    },
    drain: (drains, deleted) => {
      if (drains === 0) return;
      const attributes = { "db.system.name": "redis", "unstale.drains": drains };
      const options = { kind: SpanKind.CLIENT, attributes };
      inSpan(tracer, workerSpans.drain, options, context.active(), async (span) => {
        span.setAttribute("unstale.entries.deleted", (await deleted).deleted);
      }).catch(() => {
        // Whoever owns `deleted` hears of it; here it is only written down.
      });
    },
  };
}

async function inSpan<T>(
  tracer: Tracer,
  name: string,
  options: { readonly kind: SpanKind; readonly attributes: Attributes; readonly links?: Link[] },
  parent: Context,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const span = tracer.startSpan(name, options, parent);
  try {
    return await context.with(trace.setSpan(parent, span), () => work(span));
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
    span.setAttribute("error.type", codeOf(error));
    throw error;
  } finally {
    span.end();
  }
}

function sliceAttributes(slice: Slice, group: string): Attributes {
  return {
    "messaging.system": "kafka",
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
    "messaging.destination.name": slice.topic,
    "messaging.destination.partition.id": String(slice.partition),
    "messaging.consumer.group.name": group,
    "messaging.kafka.offset": Number(slice.first),
    ...(slice.records === 1 ? {} : { "messaging.batch.message_count": slice.records }),
  };
}

function invalidateAttributes({ documents, scopes }: Coalesced): Attributes {
  return {
    // The conventions know no "valkey".
    "db.system.name": "redis",
    "db.operation.name": "EVALSHA",
    "db.stored_procedure.name": "invalidate",
    "unstale.documents": documents.length,
    "unstale.scopes": scopes.length,
  };
}

function linkOf(producer: Context): Link[] {
  const span = trace.getSpanContext(producer);
  return span === undefined ? [] : [{ context: span }];
}

function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : error instanceof Error ? error.name : "_OTHER";
}
