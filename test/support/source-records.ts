import type { SourceRecord } from "../../consumers/change-event.ts";

/** A record with what a test cares about; the rest is as usual. */
export function sourceRecord(
  parts: Partial<Omit<SourceRecord, "value" | "key">> & {
    readonly value?: string | Buffer | object | null;
    readonly key?: string | Buffer | null;
  } = {},
): SourceRecord {
  const { value = null, key = null, ...rest } = parts;
  return {
    topic: "cms.documents",
    partition: 0,
    offset: 0n,
    headers: {},
    timestamp: 1_700_000_000_000,
    ...rest,
    key: bytesOf(key),
    value: bytesOf(value),
  };
}

function bytesOf(value: string | Buffer | object | null): Buffer | null {
  if (value === null || Buffer.isBuffer(value)) return value;
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
}
