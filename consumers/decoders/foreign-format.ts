import type { SourceRecord } from "../change-event.ts";

/**
 * Recognises records that another format's decoder should read, so that their author hears the name of the mistake
 * instead of "no id". Only tells them apart; it reads none of them.
 */
export function foreignBytes(record: SourceRecord): string | undefined {
  const names = new Set(Object.keys(record.headers).map((name) => name.toLowerCase()));
  const contentType = headerOf(record, "content-type");
  if (contentType?.toLowerCase().startsWith("application/cloudevents")) return "a CloudEvent (content-type header)";
  if (["ce_id", "ce_source", "ce_type", "ce_specversion"].every((name) => names.has(name))) {
    return "a CloudEvent (ce_ headers)";
  }
  if (names.has("__value_schema_id")) return "a schema registry record (__value_schema_id header)";
  const first = record.value?.[0];
  const length = record.value?.length ?? 0;
  if ((first === 0 && length > 5) || (first === 1 && length > 17)) return "a schema registry record (framing bytes)";
  return undefined;
}

export function foreignObject(event: Readonly<Record<string, unknown>>): string | undefined {
  const keys = Object.keys(event);
  if (keys.length === 2 && "schema" in event && "payload" in event) return "a Kafka Connect envelope (schema, payload)";
  if (["specversion", "id", "source", "type"].every((key) => typeof event[key] === "string")) return "a CloudEvent";
  if ("__deleted" in event || "__op" in event) return "a flattened Debezium record";
  const op = event.op;
  const source = event.source;
  const row = "before" in event || "after" in event || op === "t";
  return typeof op === "string" && typeof source === "object" && source !== null && row
    ? "a Debezium record"
    : undefined;
}

function headerOf(record: SourceRecord, wanted: string): string | undefined {
  const name = Object.keys(record.headers).find((candidate) => candidate.toLowerCase() === wanted);
  return name === undefined ? undefined : record.headers[name]?.[0]?.toString("latin1");
}
