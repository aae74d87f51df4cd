import type { Decoded, DecodeFailure, SourceRecord } from "./change-event.ts";
import type { PositionedChange } from "./change-source.ts";

/** Records of one partition as they were fetched. Read one by one: a batch may hold a hundred thousand. */
export interface RecordBatch {
  readonly size: number;
  record(index: number): SourceRecord;
  /** The offset after the batch; beyond its last record where that is followed by transaction markers. */
  readonly next: bigint;
  /** Log end when the batch was fetched. */
  readonly end: bigint;
}

export interface FailedRecord {
  readonly record: SourceRecord;
  readonly reason: DecodeFailure;
  readonly detail: string;
}

export interface CutSlice {
  readonly records: readonly SourceRecord[];
  readonly changes: readonly PositionedChange[];
  readonly failures: readonly FailedRecord[];
  readonly first: bigint;
  readonly next: bigint;
  /** Index in the batch with which the next slice begins. */
  readonly nextIndex: number;
}

export interface SliceLimits {
  readonly maxChanges: number;
  readonly maxRecords: number;
}

export interface CutRequest {
  readonly batch: RecordBatch;
  readonly fromIndex: number;
  /** Records below it were delivered before and are passed over. */
  readonly position: bigint;
  readonly decode: (record: SourceRecord) => Decoded;
  readonly limits: SliceLimits;
}

/**
 * The next slice of a batch, or nothing when the batch is used up. A batch without records (all of them transaction
 * markers or aborted) yields one slice without records, so that its offsets are applied and committed like any others.
 */
export function cutSlice({ batch, fromIndex, position, decode, limits }: CutRequest): CutSlice | undefined {
  const slice = { records: [] as SourceRecord[], changes: [] as PositionedChange[], failures: [] as FailedRecord[] };
  let index = fromIndex;
  for (; index < batch.size && slice.records.length < limits.maxRecords; index += 1) {
    const record = batch.record(index);
    if (record.offset < position) continue;
    const decoded = decode(record);
    const count = slice.changes.length + decoded.changes.length;
    if (slice.records.length > 0 && count > limits.maxChanges) break;
    add(slice, record, decoded);
  }
  const last = slice.records.at(-1);
  const next = index === batch.size || last === undefined ? batch.next : last.offset + 1n;
  const markersOnly = batch.size === 0 && next > position;
  if (last === undefined && !markersOnly) return undefined;
  return { ...slice, first: slice.records[0]?.offset ?? position, next, nextIndex: index };
}

/** Offsets of the records that are no failures. */
export function readableIn({ records, failures }: CutSlice): readonly bigint[] {
  const failed = new Set(failures.map(({ record }) => record));
  return records.filter((record) => !failed.has(record)).map(({ offset }) => offset);
}

type Growing = { records: SourceRecord[]; changes: PositionedChange[]; failures: FailedRecord[] };

function add({ records, changes, failures }: Growing, record: SourceRecord, decoded: Decoded): void {
  const { offset, timestamp } = record;
  const occurredAt = (decoded.kind === "changes" ? decoded.occurredAt : undefined) ?? timestamp;
  records.push(record);
  for (const change of decoded.changes) changes.push({ change, offset, occurredAt });
  if (decoded.kind === "failure") failures.push({ record, reason: decoded.reason, detail: decoded.detail });
}
