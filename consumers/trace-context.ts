import type { SourceRecord } from "./change-event.ts";

export const maxTraces = 64;

/** The span limit of SDKs for links is 128; half of it leaves room. */
export type TraceContext = Readonly<Record<string, string>>;

/** Distinct W3C trace contexts of records, in their order, at most {@link maxTraces}. Header names in any case. */
export function collectTraces(records: readonly SourceRecord[]): TraceContext[] {
  const traces = new Map<string, TraceContext>();
  for (const record of records) {
    if (traces.size === maxTraces) break;
    const trace = traceOf(record.headers);
    if (trace?.traceparent !== undefined) traces.set(trace.traceparent, trace);
  }
  return [...traces.values()];
}

function traceOf(headers: SourceRecord["headers"]): { traceparent?: string; tracestate?: string } | undefined {
  let found: { traceparent?: string; tracestate?: string } | undefined;
  for (const name of Object.keys(headers)) {
    const known = name.toLowerCase();
    if (known !== "traceparent" && known !== "tracestate") continue;
    const value = headers[name]?.[0]?.toString("latin1");
    if (value !== undefined && value.length <= 512) found = { ...found, [known]: value };
  }
  return found;
}
