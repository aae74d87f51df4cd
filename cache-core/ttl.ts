import { cacheError, shown } from "./errors.ts";

/** Names for how long a kind of content stays true. */
export const contentClasses = {
  static: "24h",
  documentation: "6h",
  user: "1h",
  "real-time": "60s",
} as const;

export type ContentClass = keyof typeof contentClasses;

/** Text that carries its unit, such as `"90s"`, `"6h"` or `"1d"`. */
export type Duration = `${number}${"ms" | "s" | "m" | "h" | "d"}`;

/** A {@link Duration}, the name of a content class, or a number of **seconds**, as in EXPIRE. */
export type Ttl = number | Duration | ContentClass | (string & Record<never, never>);

export interface TtlOptions {
  /** What an entry gets that names no TTL. Default `"1h"`. */
  readonly defaultTtl?: Ttl | undefined;
  /** The longest TTL that is accepted; more is an error. Default `"7d"`. Fences are remembered as long. */
  readonly maxTtl?: number | Duration | undefined;
  /** Other TTLs for the content classes, and classes of your own. `real-time` may be 1 to 5 minutes. */
  readonly ttlClasses?: Readonly<Record<string, number | Duration>> | undefined;
  /**
   * The part of each TTL, from 0 to below 1, that chance may take away, so that entries written together do not expire
   * together. It never lengthens. Default 0.
   */
  readonly jitter?: number | undefined;
  /** A number from 0 to below 1, as `Math.random` gives. */
  readonly random?: (() => number) | undefined;
}

export interface TtlRule {
  /** The longest TTL in ms. */
  readonly maxTtlMs: number;
  /** @throws UnstaleError `UNSTALE_INVALID_ARGUMENT`, when this cannot be a TTL. */
  check(ttl: Ttl): void;
  /** A TTL in whole ms, shortened by the jitter. */
  resolve(ttl?: Ttl): number;
}

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const realTimeRange = { min: 60_000, max: 300_000 } as const;

export function createTtlRule(options: TtlOptions = {}): TtlRule {
  const { jitter = 0, random = Math.random } = options;
  if (typeof jitter !== "number" || !(jitter >= 0 && jitter < 1)) {
    throw invalid(`jitter: expected a part of the TTL from 0 to below 1, such as 0.1; got ${shown(jitter)}.`);
  }
  const maxTtlMs = durationMs("maxTtl", options.maxTtl ?? "7d");
  const classes = new Map<string, number>();
  for (const [name, value] of Object.entries({ ...contentClasses, ...options.ttlClasses })) {
    classes.set(name, classTtl(name, value, maxTtlMs));
  }

  const milliseconds = (ttl: Ttl): number => {
    const ms = (typeof ttl === "string" ? classes.get(ttl) : undefined) ?? durationMs("ttl", ttl, [...classes.keys()]);
    if (ms > maxTtlMs) throw tooLong(ttl, ms, maxTtlMs);
    return ms;
  };
  const standard = milliseconds(options.defaultTtl ?? (maxTtlMs < units.h ? maxTtlMs / units.s : "1h"));

  return {
    maxTtlMs,
    check: (ttl) => void milliseconds(ttl),
    resolve: (ttl) => {
      const ms = ttl === undefined ? standard : milliseconds(ttl);
      return Math.max(1, Math.ceil(ms * (1 - jitter * random())));
    },
  };
}

function classTtl(name: string, value: number | Duration, maxTtlMs: number): number {
  if (parseDuration(name) !== undefined || name === "") {
    throw invalid(`ttlClasses: expected names that are no durations, such as "faq"; got ${JSON.stringify(name)}.`);
  }
  const ms = durationMs(`ttlClasses.${name}`, value);
  if (name === "real-time" && (ms < realTimeRange.min || ms > realTimeRange.max)) {
    throw invalid(`ttlClasses.real-time: expected 1 to 5 minutes; got ${JSON.stringify(value)}.`);
  }
  // A deployment with a short maxTtl keeps its built-in classes usable.
  return Object.hasOwn(contentClasses, name) ? Math.min(ms, maxTtlMs) : ms;
}

/** A number of seconds, or text with a unit, in whole ms. */
export function durationMs(option: string, ttl: unknown, classes: readonly string[] = []): number {
  const ms = typeof ttl === "number" ? ttl * units.s : typeof ttl === "string" ? parseDuration(ttl) : undefined;
  if (ms !== undefined && Number.isFinite(ms) && Math.round(ms) >= 1) return Math.round(ms);
  const known = classes.length === 0 ? "" : `, or one of ${classes.map((name) => `"${name}"`).join(", ")}`;
  const hint =
    typeof ttl === "string" && /^\d+$/.test(ttl)
      ? ` Text carries its unit; did you mean "${ttl}s"?`
      : ms === 0
        ? " To keep nothing, do not set the entry."
        : "";
  throw invalid(
    `${option}: expected a positive number of seconds, a duration such as "90s", "6h" or "1d"${known}; ` +
      `got ${shown(ttl)}.${hint}`,
  );
}

function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text);
  if (!match?.[1] || !match[2]) return undefined;
  return Number(match[1]) * units[match[2] as keyof typeof units];
}

/** A number above the limit is most often milliseconds. */
function tooLong(ttl: Ttl, ms: number, maxTtlMs: number): Error {
  const limit = `the longest TTL is ${inWords(maxTtlMs)} (maxTtl)`;
  if (typeof ttl !== "number") return invalid(`ttl: ${JSON.stringify(ttl)} is too long; ${limit}.`);
  const guess = ttl % 1_000 === 0 && ttl <= maxTtlMs ? ` did you mean "${inShort(ttl)}"?` : "";
  return invalid(`ttl: ${ttl} s is ${inWords(ms)};${guess === "" ? "" : `${guess} A number is seconds;`} ${limit}.`);
}

function inWords(ms: number): string {
  const days = Math.floor(ms / units.d);
  if (days >= 1) return days === 1 ? "1 day" : `${days} days`;
  return inShort(ms);
}

function inShort(ms: number): string {
  for (const unit of ["d", "h", "m", "s"] as const) {
    if (ms % units[unit] === 0) return `${ms / units[unit]}${unit}`;
  }
  return `${ms}ms`;
}

function invalid(message: string): Error {
  return cacheError("UNSTALE_INVALID_ARGUMENT", message);
}
