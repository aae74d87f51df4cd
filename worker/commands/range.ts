import type { KafkaAdmin, LogRange } from "../../consumers/index.ts";
import { workerError } from "../errors.ts";

/** An end of a stretch of a log, as somebody wrote it: `42`, `2026-11-23T10:00:00Z`, or `90m` (ago). */
export type Bound =
  | { readonly kind: "offset"; readonly offset: bigint }
  /** Milliseconds since the epoch. */
  | { readonly kind: "time"; readonly time: number };

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** @throws UnstaleError `UNSTALE_USAGE` */
export function parseBound(option: string, text: string, now: number): Bound {
  if (/^\d{1,18}$/.test(text)) return { kind: "offset", offset: BigInt(text) };
  return { kind: "time", time: parseTime(option, text, now, "an offset such as 42, ") };
}

/** @throws UnstaleError `UNSTALE_USAGE` */
export function parseTime(option: string, text: string, now: number, orElse = ""): number {
  const [, amount, unit = ""] = /^(\d{1,9})(s|m|h|d)$/.exec(text) ?? [];
  if (amount !== undefined) return now - Number(amount) * (unitMs[unit] ?? 0);
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw workerError(
    "UNSTALE_USAGE",
    `${option}: expected ${orElse}a time such as 2026-11-23T10:00:00Z, or how long ago, such as 90m; got ${JSON.stringify(text.slice(0, 40))}.`,
  );
}

export interface Stretch {
  readonly from?: Bound | undefined;
  readonly to?: Bound | undefined;
  readonly partition?: number | undefined;
}

/** Of each partition of a topic what lies between the bounds and is still in its log. */
export async function rangesOf(admin: KafkaAdmin, topic: string, stretch: Stretch): Promise<readonly LogRange[]> {
  const bounds = await admin.bounds(topic);
  const [from, to] = await Promise.all([offsetsOf(admin, topic, stretch.from), offsetsOf(admin, topic, stretch.to)]);
  return bounds
    .filter(({ partition }) => stretch.partition === undefined || partition === stretch.partition)
    .map(({ partition, low, end }) => {
      const first = within(from(partition) ?? low, low, end);
      return { topic, partition, from: first, to: within(to(partition) ?? end, first, end) };
    });
}

type OffsetOf = (partition: number) => bigint | undefined;

async function offsetsOf(admin: KafkaAdmin, topic: string, bound: Bound | undefined): Promise<OffsetOf> {
  if (bound === undefined) return () => undefined;
  if (bound.kind === "offset") return () => bound.offset;
  const found = await admin.offsetsAt(topic, bound.time);
  return (partition) => found.find((one) => one.partition === partition)?.offset;
}

function within(offset: bigint, least: bigint, most: bigint): bigint {
  if (offset < least) return least;
  return offset > most ? most : offset;
}
