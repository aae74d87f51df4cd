import { documentIdProblem, namespaceProblem } from "@unstale/cache-core";
import type { ChangeEvent, Decoded, DecodeFailure, Decoder, SourceRecord, Subscription } from "../change-event.ts";
import { type IdTemplate, parseIdTemplate } from "../id-template.ts";
import { foreignBytes, foreignObject } from "./foreign-format.ts";

type Fields = Readonly<Record<string, unknown>>;
type Problem = { readonly reason: DecodeFailure; readonly detail: string };

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * `{"id": "article:42", "version"?: 17}`, `{"ids": ["article:42", {"id": "list:articles", "version": 3}]}`,
 * `{"namespace": "docs:technical"}`, `{"all": true}`: several may stand together, unknown fields are ignored, a null value
 * makes the record key the id. What is wrong in one part does not keep the other parts from being invalidated.
 */
export const decodeJson: Decoder = (record, subscription) => {
  const foreign = foreignBytes(record);
  if (foreign !== undefined) return failed(record, [], { reason: "foreign-format", detail: foreign });
  if (record.value === null) return fromKey(record);
  const parsed = parse(record.value);
  if ("reason" in parsed) return failed(record, [], parsed);
  const foreignShape = foreignObject(parsed.fields);
  if (foreignShape !== undefined) return failed(record, [], { reason: "foreign-format", detail: foreignShape });
  return fromFields(record, parsed.fields, subscription);
};

function parse(value: Buffer): { readonly fields: Fields } | Problem {
  let json: unknown;
  try {
    json = JSON.parse(utf8.decode(value));
  } catch {
    // The parser's own message quotes the content, which may be secret.
    return { reason: "not-json", detail: `${value.length} bytes that are not JSON in UTF-8` };
  }
  if (!isFields(json)) return { reason: "not-an-object", detail: `expected a JSON object, got ${nameOf(json)}` };
  return { fields: json };
}

function fromFields(record: SourceRecord, fields: Fields, subscription: Subscription): Decoded {
  const changes: ChangeEvent[] = [];
  const problems: Problem[] = [];
  const template = parseIdTemplate(subscription.id);
  if (!template.ok) throw new TypeError(`the id template of ${subscription.topic} ${template.problem}`);
  const take = (fields_: Fields): void => readDocument(fields_, fields, template.template, { changes, problems });
  if (isGiven(fields.id)) take(fields);
  for (const item of listOf(fields.ids, problems)) take(isFields(item) ? item : { id: item });
  readScopes(fields, subscription, { changes, problems });
  const problem = problems[0];
  if (problem !== undefined) return failed(record, changes, problem);
  if (changes.length === 0) {
    return failed(record, [], { reason: "no-id", detail: 'none of "id", "ids", "namespace", "all"' });
  }
  const occurredAt = timeOf(fields.occurredAt);
  return { kind: "changes", changes, ...(occurredAt === undefined ? {} : { occurredAt }) };
}

interface Collected {
  readonly changes: ChangeEvent[];
  readonly problems: Problem[];
}

function readDocument(item: Fields, event: Fields, template: IdTemplate, into: Collected): void {
  const id = textOf(item.id);
  if (id === undefined || id === "") {
    const got = id === "" ? "empty text" : nameOf(item.id);
    into.problems.push({ reason: "invalid-id", detail: `expected an id as text or integer, got ${got}` });
    return;
  }
  const type = textOf(item.type) ?? textOf(event.type);
  if (template.needsType && (type === undefined || type === "")) {
    into.problems.push({ reason: "no-id", detail: 'the topic\'s id template needs a "type"' });
    return;
  }
  const name = template.apply({ id, type });
  const problem = documentIdProblem(name);
  if (problem !== undefined) {
    into.problems.push({ reason: "invalid-id", detail: `a document id that is not usable: ${problem}` });
    return;
  }
  const version = item.version;
  if (!isGiven(version)) {
    into.changes.push({ kind: "document", id: name });
  } else if (typeof version === "number" && Number.isSafeInteger(version) && version >= 0) {
    into.changes.push({ kind: "document", id: name, version });
  } else {
    // The document did change; only its version is unknown.
    into.changes.push({ kind: "document", id: name });
    const detail = `expected a version that is an integer from 0 to 2^53 - 1, got ${nameOf(version)}`;
    into.problems.push({ reason: "invalid-version", detail });
  }
}

function readScopes(fields: Fields, subscription: Subscription, into: Collected): void {
  const { namespace, all } = fields;
  if (isGiven(namespace)) {
    const problem = typeof namespace === "string" ? namespaceProblem(namespace) : nameOf(namespace);
    if (problem !== undefined) into.problems.push({ reason: "invalid-namespace", detail: `a namespace: ${problem}` });
    else if (!subscription.wide) into.problems.push(notWide("namespace"));
    else into.changes.push({ kind: "namespace", namespace: namespace as string });
  }
  if (!isGiven(all) || all === false) return;
  if (all !== true) into.problems.push({ reason: "invalid-all", detail: `expected "all": true, got ${nameOf(all)}` });
  else if (!subscription.wide) into.problems.push(notWide("all"));
  else into.changes.push({ kind: "all" });
}

function notWide(field: string): Problem {
  return { reason: "not-wide", detail: `"${field}" is taken only from topics with "wide: true"` };
}

function fromKey(record: SourceRecord): Decoded {
  const key = keyOf(record);
  if ("change" in key) return { kind: "changes", changes: [key.change] };
  return { kind: "failure", ...key, changes: [] };
}

function failed(record: SourceRecord, changes: readonly ChangeEvent[], problem: Problem): Decoded {
  const key = keyOf(record);
  const known = "change" in key ? [...changes, key.change] : changes;
  return { kind: "failure", ...problem, changes: known };
}

function keyOf(record: SourceRecord): { readonly change: ChangeEvent } | Problem {
  if (record.key === null) return { reason: "no-id", detail: "neither a value nor a key" };
  let id: string;
  try {
    id = utf8.decode(record.key);
  } catch {
    return { reason: "invalid-id", detail: "a record key that is not UTF-8" };
  }
  const problem = documentIdProblem(id);
  if (problem === undefined) return { change: { kind: "document", id } };
  return { reason: "invalid-id", detail: `a record key that is not usable as a document id: ${problem}` };
}

function listOf(ids: unknown, problems: Problem[]): readonly unknown[] {
  if (!isGiven(ids)) return [];
  if (Array.isArray(ids)) return ids;
  problems.push({ reason: "invalid-id", detail: `expected "ids" to be a list, got ${nameOf(ids)}` });
  return [];
}

/** Integers become text; larger ones than 2^53 were already changed by the parser, so they are refused. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return typeof value === "number" && Number.isSafeInteger(value) ? String(value) : undefined;
}

function timeOf(value: unknown): number | undefined {
  const time = typeof value === "string" ? Date.parse(value) : value;
  return typeof time === "number" && Number.isFinite(time) && time >= 0 ? time : undefined;
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Never the value itself: details reach logs. */
function nameOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
