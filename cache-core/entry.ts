import { cacheError, shown } from "./errors.ts";
import { checkDocumentId } from "./keys.ts";

/** A response as it is stored. Without a codec it is text that programs of the plain schema read as it is. */
export interface EncodedResponse {
  readonly text: string;
  readonly codec?: string;
  readonly bytes: number;
}

const json = "json";

/**
 * Text is stored verbatim, anything else as JSON. What JSON leaves out (functions and `undefined` inside an object) is
 * left out here too.
 * @throws UnstaleError `UNSTALE_INVALID_ARGUMENT`, when the value has no JSON form.
 */
export function encodeResponse(value: unknown): EncodedResponse {
  // Half a surrogate pair has no UTF-8 form; JSON escapes it.
  if (typeof value === "string" && value.isWellFormed()) return { text: value, bytes: Buffer.byteLength(value) };
  const text = toJson(value);
  return { text, codec: json, bytes: Buffer.byteLength(text) };
}

function toJson(value: unknown): string {
  const expected = "response: expected text or a value that JSON can say";
  if (value === undefined) {
    throw invalid(`${expected}; got undefined. Return null for "nothing", or call context.skip() to keep no answer.`);
  }
  if (typeof value === "number" && !Number.isFinite(value)) throw invalid(`${expected}; got ${value}.`);
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw invalid(`${expected}; got ${aOrAn(typeof value)} that it cannot (${why}).`, error);
  }
  if (text === undefined) throw invalid(`${expected}; got a ${typeof value}.`);
  return text;
}

/** `undefined` for what another program wrote in a way that is not ours: a miss. */
export function decodeResponse(text: string, codec: string | undefined): { readonly value: unknown } | undefined {
  if (codec === undefined) return { value: text };
  if (codec !== json) return undefined;
  try {
    return { value: JSON.parse(text) };
  } catch {
    // Damaged: as good as not there. The reader counts it.
    return undefined;
  }
}

/** Each id once, in the order of first mention, each of them checked. */
export function normaliseSources(ids: unknown): string[] {
  const list: unknown = typeof ids === "string" ? [ids] : ids;
  if (!Array.isArray(list)) {
    throw invalid(`sources: expected document ids, such as ["article:42"]; got ${aOrAn(typeof ids)}.`);
  }
  return [...new Set(list.map(checkDocumentId))];
}

/**
 * Document versions by id, each a whole number from 0.
 * @throws UnstaleError `UNSTALE_INVALID_ARGUMENT`
 */
export function checkSourceVersions(versions: unknown): Map<string, number> {
  const checked = new Map<string, number>();
  if (versions === undefined) return checked;
  if (typeof versions !== "object" || versions === null || Array.isArray(versions)) {
    throw invalid(`sourceVersions: expected an object such as {"article:42": 17}; got ${aOrAn(typeof versions)}.`);
  }
  for (const [id, version] of Object.entries(versions)) {
    checked.set(checkDocumentId(id), checkVersion(version));
  }
  return checked;
}

export function checkVersion(version: unknown): number {
  if (typeof version === "number" && Number.isSafeInteger(version) && version >= 0) return version;
  throw invalid(`version: expected a whole number from 0 to 2^53 - 1; got ${shown(version)}.`);
}

function aOrAn(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function invalid(message: string, cause?: unknown): Error {
  return cacheError("UNSTALE_INVALID_ARGUMENT", message, { cause });
}
