import { z } from "zod";
import { redactUrl, Secret } from "./secret.ts";

/** How a value is read from text (environment, flag) or from YAML, and how that is said to a person. */
export interface SettingType<T> {
  readonly schema: z.ZodType<T>;
  /** Completes "expected …". */
  readonly expected: string;
  /** How a value is shown where it is not shown as it is. */
  show?(value: T): unknown;
}

export function text(options: { readonly expected: string; readonly pattern?: RegExp }): SettingType<string> {
  const { expected, pattern } = options;
  return { expected, schema: pattern ? z.string().trim().regex(pattern) : z.string().trim().min(1) };
}

export function integer(range: { readonly min: number; readonly max: number }): SettingType<number> {
  const digits = z
    .string()
    .trim()
    .regex(/^-?\d+$/)
    .transform(Number);
  return {
    expected: `a whole number from ${range.min} to ${range.max}`,
    schema: z.union([z.number(), digits]).pipe(z.number().int().min(range.min).max(range.max)),
  };
}

export const boolean: SettingType<boolean> = {
  expected: "true or false",
  schema: z.union([
    z.boolean(),
    z
      .string()
      .trim()
      .toLowerCase()
      .pipe(z.enum(["true", "false"]))
      .transform((word) => word === "true"),
  ]),
};

/** One of a few words. `aliases`: other spellings that are common for the same thing. */
export function choice<const Word extends string>(
  words: readonly [Word, ...Word[]],
  aliases: Readonly<Record<string, Word>> = {},
): SettingType<Word> {
  return {
    expected: words.join(", "),
    schema: z
      .string()
      .transform((word) => word.trim().toLowerCase())
      .transform((word) => aliases[word] ?? word)
      .pipe(z.enum(words)),
  };
}

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Text with its unit, such as `"15s"`; milliseconds once loaded. A bare number is refused: its unit would be a guess. */
export function duration(range: { readonly min: string; readonly max: string }): SettingType<number> {
  return {
    expected: `a duration from ${range.min} to ${range.max}, written with its unit (ms, s, m, h or d)`,
    schema: z
      .string()
      .trim()
      .regex(durationPattern)
      .transform(durationMs)
      .pipe(z.number().min(durationMs(range.min)).max(durationMs(range.max))),
    show: durationText,
  };
}

const durationPattern = /^(\d+)\s*(ms|s|m|h|d)$/;

function durationMs(value: string): number {
  const [, amount, unit] = durationPattern.exec(value) ?? [];
  return Number(amount) * unitMs[unit as keyof typeof unitMs];
}

/** `12000` → `"12s"`: in the largest unit that divides it. */
function durationText(ms: number): string {
  const [unit, size] = Object.entries(unitMs).findLast(([, each]) => ms % each === 0 && ms >= each) ?? ["ms", 1];
  return `${ms / size}${unit}`;
}

/** In text separated by commas, in YAML a list. At least one, each once. */
export function list<T extends string>(item: SettingType<T>, expected: string): SettingType<readonly [T, ...T[]]> {
  const split = z.string().transform((value) =>
    value
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  );
  return {
    expected,
    schema: z
      .union([split, z.array(z.unknown())])
      .pipe(z.array(item.schema).nonempty())
      .refine((items) => new Set(items).size === items.length)
      .transform((items) => Object.freeze(items) as readonly [T, ...T[]]),
  };
}

/** `host:port`. The Kafka client takes no bare IPv6 address. */
export const hostAndPort: SettingType<string> = text({
  expected: "host:port",
  pattern:
    /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?:([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])$/,
});

/**
 * A URL that may carry a password, or several separated by commas, of which those after the first may leave out all but the
 * host: kept as a {@link Secret} that shows all but passwords.
 */
export function secretUrls(protocols: readonly string[]): SettingType<Secret> {
  const parse = (value: string): URL | undefined => {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    return url !== undefined && protocols.includes(url.protocol) && url.hostname !== "" ? url : undefined;
  };
  const addresses = (value: string): (URL | undefined)[] =>
    value.split(",").map((part, index) => {
      const address = part.trim();
      return parse(index === 0 || address.includes("://") ? address : `${protocols[0]}//${address}`);
    });
  const names = protocols.map((protocol) => `${protocol}//`).join(" or ");
  return {
    expected: `a URL that starts with ${names} and names a host, or several such addresses separated by commas`,
    schema: z
      .string()
      .transform((value) => value.replaceAll(/\s*,\s*/g, ",").trim())
      .refine((value) => addresses(value).every((url) => url !== undefined))
      .transform((value) => new Secret(value, addresses(value).map(shownUrl).join(","))),
  };
}

/** Of several, those after the first are shown as hosts. */
function shownUrl(url: URL | undefined, index: number): string {
  return url === undefined ? "" : index === 0 ? redactUrl(url) : url.host;
}

/** Kept as it is, spaces included, but for one newline at its end (which files have). */
export const secretText: SettingType<Secret> = {
  expected: "non-empty text",
  schema: z
    .string()
    .transform((value) => value.replace(/\r?\n$/, ""))
    .pipe(z.string().min(1))
    .transform((value) => new Secret(value)),
};

export const pem: SettingType<string> = {
  expected: "PEM text (-----BEGIN …)",
  schema: z.string().regex(/-----BEGIN [A-Z0-9 ]+-----/),
};

export const secretPem: SettingType<Secret> = {
  expected: pem.expected,
  schema: pem.schema.transform((value) => new Secret(value)),
};
