import { cacheError } from "./errors.ts";
import { type Demands, type LogRecord, maxRecordsPerRead } from "./store.ts";
import { type Duration, durationMs } from "./ttl.ts";

/** Where a change event lies in the log, as Kafka told whoever produced it. */
export interface LogToken {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number | string | bigint;
}

/** What a look-up asks beyond an entry that is alive. */
export interface DemandOptions {
  /**
   * A change event, or several, that the answer must know of: as it was produced, `{ topic, partition, offset }`, or as text
   * `"<topic>:<partition>:<offset>"`. A miss until the workers have applied it, so that whoever made a change sees it.
   * Topics that no worker reads are a miss for ever.
   */
  readonly after?: LogToken | string | readonly (LogToken | string)[] | undefined;
  /**
   * How long ago a change may have been in the log that the answer does not know of: `"2s"`, or seconds; at least 1 s. A
   * miss where the workers have not confirmed for longer than that that nothing is missing: when all of them are dead, when
   * a partition is stuck, when Kafka cannot be asked, and after a failover of Valkey until it is repaired.
   */
  readonly maxStaleness?: number | Duration | undefined;
}

/** Workers confirm about twice a second: less would be a miss every other time. */
const leastStalenessMs = 1_000;

/** @throws UnstaleError `UNSTALE_INVALID_ARGUMENT` */
export function checkDemands({ after, maxStaleness }: DemandOptions): Demands | undefined {
  if (after === undefined && maxStaleness === undefined) return undefined;
  const maxStalenessMs = maxStaleness === undefined ? undefined : durationMs("maxStaleness", maxStaleness);
  if (maxStalenessMs !== undefined && maxStalenessMs < leastStalenessMs) {
    throw invalid(
      `maxStaleness: expected at least "1s", since workers confirm about twice a second; got ${JSON.stringify(maxStaleness)}.`,
    );
  }
  const tokens: readonly unknown[] = after === undefined ? [] : Array.isArray(after) ? after : [after];
  return mergeDemands({ after: [], maxStalenessMs }, { after: tokens.map(checkToken) });
}

/** What both ask: of each partition the last record, and the shorter time. */
export function mergeDemands(one: Demands | undefined, other: Demands | undefined): Demands | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const last = new Map<string, LogRecord>();
  for (const record of [...one.after, ...other.after]) {
    const name = `${record.topic}:${record.partition}`;
    const before = last.get(name);
    if (before === undefined || before.offset < record.offset) last.set(name, record);
  }
  if (last.size > maxRecordsPerRead) {
    throw invalid(`after: expected records of at most ${maxRecordsPerRead} partitions; got ${last.size}.`);
  }
  const least = Math.min(
    one.maxStalenessMs ?? Number.POSITIVE_INFINITY,
    other.maxStalenessMs ?? Number.POSITIVE_INFINITY,
  );
  const after = [...last.keys()].sort().flatMap((name) => last.get(name) ?? []);
  return { after, ...(Number.isFinite(least) ? { maxStalenessMs: least } : {}) };
}

/** The same text for those who ask the same. */
export function demandsKey(demands: Demands | undefined): string {
  if (demands === undefined) return "";
  const records = demands.after.map(({ topic, partition, offset }) => `${topic}:${partition}:${offset}`);
  return ` ${demands.maxStalenessMs ?? ""} ${records.join(" ")}`;
}

const expected = 'after: expected { topic, partition, offset } or text such as "cms.documents:0:1041"';

function checkToken(token: unknown): LogRecord {
  if (typeof token === "string") {
    const [, topic = "", partition, offset] = /^([A-Za-z0-9._-]{1,249}):(\d{1,10}):(\d{1,16})$/.exec(token) ?? [];
    if (topic === "") throw invalid(`${expected}; got ${JSON.stringify(token.slice(0, 80))}.`);
    return { topic, partition: Number(partition), offset: offsetOf(offset) };
  }
  if (typeof token !== "object" || token === null) throw invalid(`${expected}; got ${String(token)}.`);
  const { topic, partition, offset } = token as Partial<Record<keyof LogToken, unknown>>;
  if (typeof topic !== "string" || !/^[A-Za-z0-9._-]{1,249}$/.test(topic)) {
    throw invalid(`${expected}; got topic ${JSON.stringify(topic)}.`);
  }
  if (typeof partition !== "number" || !Number.isSafeInteger(partition) || partition < 0) {
    throw invalid(`${expected}; got partition ${String(partition)}.`);
  }
  return { topic, partition, offset: offsetOf(offset) };
}

function offsetOf(offset: unknown): number {
  const isNumeric =
    typeof offset === "bigint" || typeof offset === "number" || (typeof offset === "string" && /^\d+$/.test(offset));
  const number = isNumeric ? Number(offset) : Number.NaN;
  if (Number.isSafeInteger(number) && number >= 0) return number;
  const hint =
    String(offset) === "-1" ? " Without acknowledgements (acks: 0) a producer is not told where its record is." : "";
  throw invalid(`${expected} with a whole offset from 0; got offset ${String(offset)}.${hint}`);
}

function invalid(message: string): Error {
  return cacheError("UNSTALE_INVALID_ARGUMENT", message);
}
