import type { Demands } from "@unstale/cache-core";
import { codecMark } from "../oracle.ts";
import {
  type ActorMemory,
  type Content,
  call,
  insist,
  isUnavailable,
  type Program,
  type Reply,
  type ReplyOf,
  type Step,
  source,
  type Unavailable,
} from "../step.ts";
import type { Question } from "../world.ts";

export interface FillMemory extends ActorMemory {
  /** Fills that are left to it. */
  readonly tries: number;
  /** The versions that its process knows. */
  readonly versions?: readonly string[];
}

export interface FillOptions {
  /** Reads its sources at a replica that may lag. */
  readonly lagging?: boolean;
  readonly codec?: string;
  readonly ttlMs?: number;
  readonly flaws?: FillFlaws;
}

/** Mistakes that a producer could make; each must be found out. */
export interface FillFlaws {
  /** Takes the lease once it has read its sources. */
  readonly leaseAfterSources?: boolean;
  /** Builds the key from the versions of now (H1). */
  readonly currentVersions?: boolean;
}

export type Lease = Extract<ReplyOf<"read">, { kind: "miss" }>["snapshot"];
export type Work<T = void> = Generator<Step, T, Reply>;
/** A miss has a lease. Content was found. Neither: the keys are of a newer format. */
export interface Found {
  readonly lease?: Lease;
  readonly content?: Content;
}

export const entryTtlMs = 3_600_000;

/** How the library's reader looks an entry up. */
export function* lookUp(question: Question, known: readonly string[], demands?: Demands): Work<Found> {
  const { bucket, namespace, query } = question;
  let versions = known;
  for (let moves = 0; moves <= 3; moves += 1) {
    const reply = yield* insist("read", { bucket, namespace, query, versions, ...(demands ? { demands } : {}) });
    if (reply.kind === "hit") return { content: JSON.parse(reply.response) as Content };
    if (reply.kind === "miss") return { lease: reply.snapshot };
    if (reply.kind === "format") return {};
    if (reply.kind === "lost") break;
    versions = reply.versions;
  }
  return yield* open(question);
}

export function* open({ bucket, namespace }: Question): Work<Found> {
  const opened = yield* insist("open", { bucket, namespace });
  return opened.kind === "format" ? {} : { lease: opened.snapshot };
}

/** Miss, lease, sources, commit; as often as it has tries, or until it is written or found. */
export function fill(question: Question, options: FillOptions = {}): (memory: ActorMemory) => Program {
  return function* program(memory) {
    const { tries, versions = [] } = memory as FillMemory;
    if (tries === 0) return;
    const found = yield* lookUp(question, versions);
    if (!found.lease) return;
    const content = yield* readSources(question, options.lagging);
    const lease = yield* flawed(question, found.lease, options.flaws ?? {});
    if (!lease) return;
    const reply = yield* commit(question, { content, lease, options });
    const written = !isUnavailable(reply) && reply.kind === "written";
    const left: FillMemory = { tries: written ? 0 : tries - 1, versions: lease.versions };
    yield { do: "become", state: left };
  };
}

function* flawed(question: Question, lease: Lease, flaws: FillFlaws): Work<Lease | undefined> {
  if (flaws.leaseAfterSources) return (yield* lookUp(question, lease.versions)).lease;
  if (!flaws.currentVersions) return lease;
  const now = yield* open(question);
  return now.lease && { ...lease, versions: now.lease.versions };
}

export interface Answer {
  readonly content: Content;
  readonly lease: Lease | { readonly versions: readonly string[] };
  readonly options?: FillOptions;
  /** Those of the question unless given. */
  readonly sources?: readonly string[];
}

export function* commit(
  question: Question,
  { content, lease, options = {}, sources = question.sources }: Answer,
): Work<ReplyOf<"commit"> | Unavailable> {
  const { bucket, namespace, query, versioned } = question;
  const { ttlMs = entryTtlMs, codec } = options;
  const sourceVersions = Object.fromEntries(sources.map((id) => [id, content[id] ?? 0]));
  return yield* call("commit", {
    bucket,
    namespace,
    query,
    sources,
    response: JSON.stringify(codec === undefined ? content : { ...content, [codecMark]: 1 }),
    ttlMs,
    lease,
    ...(versioned ? { sourceVersions } : {}),
    ...(codec === undefined ? {} : { codec }),
  });
}

/** One after the other. Generations of namespaces are as old as the first look. */
export function* readSources({ namespace, sources }: Question, lagging = false): Work<Content> {
  const content: Record<string, number> = {};
  for (const document of sources) {
    const seen = yield* source({ document, namespace, lagging });
    for (const name in seen) content[name] ??= seen[name] ?? 0;
  }
  return content;
}

/** `set` without a lease: nobody says under which versions the answer was computed, so the present ones are as good as any. */
export function plainSet(question: Question, options: FillOptions = {}): (memory: ActorMemory) => Program {
  return function* program() {
    const content = yield* readSources(question);
    let versions: readonly string[] = [];
    for (let tries = 0; tries < 3; tries += 1) {
      if (versions.length === 0) versions = (yield* open(question)).lease?.versions ?? [];
      const reply = yield* commit(question, { content, lease: { versions }, options });
      if (isUnavailable(reply) || reply.kind === "written") return;
      if (reply.reason !== "version" && reply.reason !== "lost") return;
      versions = reply.versions ?? [];
    }
  };
}
