import { createHash } from "node:crypto";
import { cacheError, shown } from "./errors.ts";
import type { Bucket, Scope, TopicPartition } from "./store.ts";

/** Prefixes and bucket count: what the key of anything depends on. All programs of a deployment share one layout. */
export interface KeyLayout {
  /** `cache:` unless set otherwise. Members of dependency sets outside it are never deleted. */
  readonly entryPrefix: string;
  /** `["doc_deps:", "deps:"]` unless set otherwise. Ours is the first; the others are invalidated as well. */
  readonly dependencyPrefixes: readonly [string, ...string[]];
  /** 1 on a standalone server: then keys carry no hash tag. */
  readonly buckets: number;
}

export const defaultLayout: KeyLayout = {
  entryPrefix: "cache:",
  dependencyPrefixes: ["doc_deps:", "deps:"],
  buckets: 1,
};

/** Prefix of everything that is neither an entry nor a dependency set. Fixed: it names the protocol. */
const statePrefix = "unstale:";

/** The only place that builds or takes apart a key. docs/wire-format.md lists them. */
export interface Keys {
  readonly layout: KeyLayout;
  /** The bucket of an entry: by a hash of its namespace and query. */
  bucketOf(scope: Omit<Scope, "bucket">, query: string): Bucket;
  entry(scope: Scope, query: string, versions: readonly string[]): string;
  /** The global counter, then one for each level of the namespace. */
  versionCounters(scope: Scope): readonly [string, ...string[]];
  /** One key for each dependency prefix, ours first. */
  dependencySets(bucket: Bucket, document: string): readonly string[];
  /** Dependency prefixes with the bucket's tag, ours first: for scripts that learn the documents from an entry. */
  dependencyPrefixes(bucket: Bucket): readonly string[];
  fence(bucket: Bucket): string;
  documentVersions(bucket: Bucket): string;
  state(bucket: Bucket): string;
  appliedField(partition: TopicPartition): string;
  draining(bucket: Bucket): string;
  /** The freshness watermark. */
  fresh(bucket: Bucket): string;
  drainPrefix(bucket: Bucket): string;
  fillLock(scope: Scope, query: string): string;
  readonly config: string;
  /** Glob pattern of all keys of a namespace, its deeper levels included; of all entries without one. Of every bucket. */
  sweepPattern(namespace?: string): string;
  /** The bucket that a key is tagged with, if it is one of this layout's. */
  bucketOfKey(key: string): Bucket | undefined;
  /** What an entry key says of itself; `undefined` for keys that no sweep may touch (version counters, other buckets). */
  parseEntry(bucket: Bucket, key: string): { readonly namespace?: string; readonly versions?: string } | undefined;
}

export function createKeys(layout: KeyLayout): Keys {
  const tag = (bucket: Bucket): string => (layout.buckets === 1 ? "" : `{${bucket}}`);
  const { entryPrefix } = layout;
  const versionPrefix = `${entryPrefix}version`;
  const state = (bucket: Bucket, name: string): string => `${statePrefix}${tag(bucket)}${name}`;
  const dependencyPrefixes = (bucket: Bucket): string[] =>
    layout.dependencyPrefixes.map((prefix) => prefix + tag(bucket));

  return {
    layout,
    bucketOf: (scope, query) =>
      layout.buckets === 1 ? 0 : Number.parseInt(subjectOf(scope.namespace, query).slice(0, 12), 16) % layout.buckets,
    entry: (scope, query, versions) => {
      const namespace = scope.namespace === undefined ? "" : `${scope.namespace}:`;
      return `${entryPrefix}${namespace}v${versions.join(".")}:${tag(scope.bucket)}${hashOf(query)}`;
    },
    versionCounters: ({ bucket, namespace }) => {
      // Untagged: `cache:version`, `cache:version:docs`; tagged: `cache:version:{3}`, `cache:version:{3}docs`.
      const global = tag(bucket) === "" ? versionPrefix : `${versionPrefix}:${tag(bucket)}`;
      const perLevel = levelsOf(namespace).map((level) => `${versionPrefix}:${tag(bucket)}${level}`);
      return [global, ...perLevel];
    },
    dependencySets: (bucket, document) => dependencyPrefixes(bucket).map((prefix) => prefix + document),
    dependencyPrefixes,
    fence: (bucket) => state(bucket, "fence"),
    documentVersions: (bucket) => state(bucket, "versions"),
    state: (bucket) => state(bucket, "state"),
    appliedField: ({ topic, partition }) => `applied:${topic}:${partition}`,
    draining: (bucket) => state(bucket, "draining"),
    fresh: (bucket) => state(bucket, "fresh"),
    drainPrefix: (bucket) => state(bucket, "drain:"),
    fillLock: ({ bucket, namespace }, query) => state(bucket, `fill:${subjectOf(namespace, query)}`),
    config: `${statePrefix}config`,
    sweepPattern: (namespace) => {
      const inside = namespace === undefined ? "" : `${namespace}:`;
      return `${escapeGlob(entryPrefix + inside)}*`;
    },
    bucketOfKey: (key) => {
      if (layout.buckets === 1) return 0;
      // The first brace decides the slot.
      const bucket = Number(/^[^{]*\{(0|[1-9]\d{0,4})\}/.exec(key)?.[1] ?? -1);
      return bucket >= 0 && bucket < layout.buckets ? bucket : undefined;
    },
    parseEntry: (bucket, key) => {
      if (!key.startsWith(entryPrefix) || key === versionPrefix || key.startsWith(`${versionPrefix}:`))
        return undefined;
      // The first brace decides the slot.
      if (!key.slice(key.indexOf("{")).startsWith(tag(bucket))) return undefined;
      const segments = key.slice(entryPrefix.length).split(":");
      const at = segments.findIndex((segment) => versionSegment.test(segment));
      if (at === -1) return {};
      const namespace = segments.slice(0, at).join(":");
      return { ...(namespace === "" ? {} : { namespace }), versions: segments[at]?.slice(1) ?? "" };
    },
  };
}

const versionSegment = /^v\d+(\.\d+)*$/;

/** First 16 hex digits of SHA-256 of the query: the plain schema's hash. */
export function hashOf(query: string): string {
  return createHash("sha256").update(query, "utf8").digest("hex").slice(0, 16);
}

/** Names an entry across versions: what a lease is good for, and what a fill lock guards. */
export function subjectOf(namespace: string | undefined, query: string): string {
  return createHash("sha256")
    .update(`${namespace ?? ""}\n${query}`, "utf8")
    .digest("hex")
    .slice(0, 16);
}

/** `docs:technical` → `["docs", "docs:technical"]`. */
export function levelsOf(namespace: string | undefined): string[] {
  if (namespace === undefined) return [];
  const segments = namespace.split(":");
  return segments.map((_, index) => segments.slice(0, index + 1).join(":"));
}

function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]^-]/g, "\\$&");
}

const maxNamespaceLevels = 8;
const maxNamespaceLength = 256;
const maxIdBytes = 512;
const maxQueryBytes = 64 * 1024;

/** The reason why a namespace cannot be used, or `undefined`. */
export function namespaceProblem(namespace: string): string | undefined {
  const segments = namespace.split(":");
  if (namespace.length > maxNamespaceLength) return `longer than ${maxNamespaceLength} characters`;
  if (segments.length > maxNamespaceLevels) return `more than ${maxNamespaceLevels} levels`;
  if (segments.includes("")) return "an empty level";
  if (segments.includes("version")) return 'a level called "version", which is reserved';
  if (segments.some((segment) => versionSegment.test(segment))) return "a level that looks like a version tag";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[*?[\]{}\\\u0000-\u001f\u007f]/.test(namespace)) return "a glob character, brace or control character";
  return namespace.isWellFormed() ? undefined : "text that is not well-formed Unicode";
}

/** The reason why a document id cannot be used, or `undefined`. Shared with decoders, which dead-letter by it. */
export function documentIdProblem(id: string): string | undefined {
  if (id === "") return "empty";
  if (id.startsWith(" ")) return "starts with a space";
  if (!id.isWellFormed()) return "not well-formed Unicode";
  return Buffer.byteLength(id) > maxIdBytes ? `longer than ${maxIdBytes} bytes` : undefined;
}

export function checkNamespace(namespace: unknown): string | undefined {
  if (namespace === undefined) return undefined;
  const problem = typeof namespace === "string" ? namespaceProblem(namespace) : `a ${typeof namespace}`;
  if (problem === undefined) return namespace as string;
  throw cacheError(
    "UNSTALE_INVALID_ARGUMENT",
    `namespace: expected levels of text joined by ":", such as "docs:technical"; got ${quote(namespace)} (${problem}).`,
  );
}

export function checkDocumentId(id: unknown): string {
  const problem = typeof id === "string" ? documentIdProblem(id) : `a ${typeof id}`;
  if (problem === undefined) return id as string;
  throw cacheError(
    "UNSTALE_INVALID_ARGUMENT",
    `document id: expected non-empty text of at most ${maxIdBytes} bytes, such as "article:42"; got ${quote(id)} (${problem}).`,
  );
}

export function checkQuery(query: unknown): string {
  const bytes = typeof query === "string" ? Buffer.byteLength(query) : 0;
  if (typeof query === "string" && query !== "" && query.isWellFormed() && bytes <= maxQueryBytes) return query;
  const got = typeof query !== "string" ? `a ${typeof query}` : query === "" ? "empty text" : `${bytes} bytes`;
  throw cacheError(
    "UNSTALE_INVALID_ARGUMENT",
    `query: expected well-formed text of 1 to ${maxQueryBytes} bytes; got ${got}. Hash what is longer, or cache by an id.`,
  );
}

function quote(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : shown(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
