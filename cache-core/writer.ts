import type { Clock } from "./clock.ts";
import { Deadline } from "./deadline.ts";
import type { DeploymentCheck } from "./deployment.ts";
import type { EncodedResponse } from "./entry.ts";
import { subjectOf } from "./keys.ts";
import type { Lease } from "./lease.ts";
import { isCallersConcern, isTooNew, type KnownVersions } from "./reader.ts";
import type { CacheStore, CommitReply, CommitRequest, RefusalReason, Scope, Snapshot } from "./store.ts";
import type { Telemetry } from "./telemetry.ts";

/**
 * Why an answer was not written: one of the store's reasons, or
 * - `too-many-sources`: more than `maxSources`;
 * - `unavailable`: the lease was handed out while the store did not answer, or the store does not answer now. In the
 *   second case the entry may have been written after all, and is then as good as any;
 * - `not-this-query`: the lease was taken for another query or namespace.
 */
export type SetRefusal = RefusalReason | "too-many-sources" | "unavailable" | "not-this-query";

export type SetResult =
  | { readonly written: true; readonly fenced: boolean }
  | {
      readonly written: false;
      readonly reason: SetRefusal;
      /** `changed`: the document that changed after the lease was taken. */
      readonly document?: string;
      /** `changed`: how long after the lease, in ms. Negative when a document version tells of an earlier change. */
      readonly changedAfterMs?: number;
    };

export interface WriteRequest {
  readonly scope: Scope;
  readonly query: string;
  readonly response: EncodedResponse;
  readonly sources: readonly string[];
  readonly sourceVersions: ReadonlyMap<string, number>;
  readonly ttlMs: number;
  /** Absent: a write without a fence. */
  readonly lease: Lease | undefined;
}

export interface WriterOptions {
  readonly store: CacheStore;
  readonly deployment: DeploymentCheck;
  readonly versions: KnownVersions;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly timeoutMs: number;
  readonly maxSources: number;
  readonly onError: (error: unknown) => void;
  /** Told of each refusal. */
  readonly onRefusal: (request: WriteRequest, result: SetResult & { written: false }) => void;
}

/** Without a lease: versions unknown, then raised once meanwhile. */
const maxPlainTries = 3;

/** Writes entries. A refusal is a normal end; only a mismatching deployment or a closed cache is an error. */
export class Writer {
  readonly #options: WriterOptions;
  readonly #deadline: Deadline;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#deadline = new Deadline({ clock: options.clock, ms: options.timeoutMs });
  }

  /** @throws UnstaleError `UNSTALE_CONFIG_MISMATCH`, `UNSTALE_CLOSED` */
  async write(request: WriteRequest): Promise<SetResult> {
    const { clock, telemetry, onRefusal } = this.#options;
    const startedAt = clock.now();
    const result = await this.#judge(request);
    const outcome = result.written ? "written" : "refused";
    const fenced = request.lease !== undefined;
    telemetry.add("commits", { outcome, fenced, ...(result.written ? {} : { reason: result.reason }) });
    telemetry.record("commitDuration", clock.now() - startedAt, { outcome });
    if (!result.written) onRefusal(request, result);
    return result;
  }

  async #judge(request: WriteRequest): Promise<SetResult> {
    const { scope, query, sources, lease } = request;
    if (sources.length > this.#options.maxSources) return refused("too-many-sources");
    if (!lease) return this.#bounded(() => this.#plain(request));
    if (lease.subject !== subjectOf(scope.namespace, query)) return refused("not-this-query");
    const { snapshot } = lease;
    if (!snapshot) return refused("unavailable");
    return this.#bounded(() => this.#fenced(request, snapshot));
  }

  async #bounded(work: () => Promise<SetResult>): Promise<SetResult> {
    const { deployment, onError } = this.#options;
    try {
      return await this.#deadline.bound(() => deployment.agree().then(work));
    } catch (error) {
      if (isCallersConcern(error)) throw error;
      if (isTooNew(error)) return refused("format");
      onError(error);
      return refused("unavailable");
    }
  }

  async #fenced(request: WriteRequest, snapshot: Snapshot): Promise<SetResult> {
    const reply = await this.#commit(request, snapshot);
    if (reply.kind === "written") return { written: true, fenced: true };
    const { reason, document, changedAt } = reply;
    return {
      written: false,
      reason,
      ...(document === undefined ? {} : { document }),
      ...(changedAt === undefined ? {} : { changedAfterMs: (changedAt - snapshot.at) / 1_000 }),
    };
  }

  /** Nobody says under which versions the answer was computed, so the present ones are as good as any. */
  async #plain(request: WriteRequest): Promise<SetResult> {
    const { store, versions } = this.#options;
    const { scope } = request;
    for (let tries = 1; ; tries += 1) {
      if (versions.get(scope).length === 0) {
        const opened = await store.open(scope);
        if (opened.kind === "format") return refused("format");
        versions.set(scope, opened.snapshot.versions);
      }
      const reply = await this.#commit(request, { versions: versions.get(scope) });
      if (reply.kind === "written") return { written: true, fenced: false };
      const mends = reply.reason === "version" || reply.reason === "lost";
      if (!mends || tries === maxPlainTries) return refused(reply.reason);
      versions.set(scope, reply.versions ?? []);
    }
  }

  #commit(request: WriteRequest, lease: CommitRequest["lease"]): Promise<CommitReply> {
    const { scope, query, response, sources, sourceVersions, ttlMs } = request;
    return this.#options.store.commit({
      ...scope,
      query,
      response: response.text,
      codec: response.codec,
      sources,
      sourceVersions: sourceVersions.size === 0 ? undefined : versionsByOwnKey(sourceVersions),
      ttlMs,
      lease,
    });
  }
}

/** Without a prototype: a document may be called `__proto__`. */
function versionsByOwnKey(versions: ReadonlyMap<string, number>): Record<string, number> {
  const record: Record<string, number> = Object.create(null);
  for (const [id, version] of versions) record[id] = version;
  return record;
}

function refused(reason: SetRefusal): SetResult & { written: false } {
  return { written: false, reason };
}
