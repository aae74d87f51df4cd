import { AsyncLocalStorage } from "node:async_hooks";
import { mergeDemands } from "./demands.ts";
import { checkVersion, normaliseSources } from "./entry.ts";
import { cacheError } from "./errors.ts";
import type { Demands } from "./store.ts";
import type { Ttl, TtlRule } from "./ttl.ts";

/** What a fill says about the answer that it computes. */
export interface FillContext {
  /**
   * Declares documents that the answer is built from. Call it before or after reading them: the lease is older than both.
   * With `version`, the version they were read at, as the system of record counts: an answer from a replica that lags
   * behind a change is then refused.
   * @throws UnstaleError `UNSTALE_INVALID_ARGUMENT` for an unusable id, and after the fill has ended
   */
  dependsOn(ids: string | readonly string[], options?: { readonly version?: number | undefined }): void;
  /** The TTL of this answer, in place of the one in the options. */
  setTtl(ttl: Ttl): void;
  /** Do not keep this answer, nor one that is built from it. */
  skip(): void;
  /** Aborted when nobody waits for the answer any more, and when the cache is closed. */
  readonly signal: AbortSignal;
}

/** Which fences judge an answer. */
export interface Origin {
  /** The cache that answers. */
  readonly cache: object;
  /** Its deployment, where that is known: two caches of one process may share it. */
  readonly deployment: string | undefined;
  readonly bucket: number;
}

function sameDeployment(one: Origin, other: Origin): boolean {
  if (one.cache === other.cache) return true;
  return one.deployment !== undefined && one.deployment === other.deployment;
}

/** An answer that another one is built from. */
export interface InnerAnswer {
  readonly sources: readonly string[];
  readonly origin: Origin;
  /** Why it was not kept, where the reason lies in the answer itself. */
  readonly obstacle?: Obstacle | undefined;
}

/** `skipped`: a fill asked not to keep it. `other-bucket`: it is built from an answer that other fences judge. */
export type Obstacle = "skipped" | "other-bucket";

export interface FillFrameOptions {
  readonly subject: string;
  readonly origin: Origin;
  readonly ttl: TtlRule;
  readonly signal: AbortSignal;
  readonly sources: readonly string[];
  readonly demands: Demands | undefined;
  readonly parent: FillFrame | undefined;
}

/** The answer under construction: what {@link FillContext} and the cached answers it is built from have said so far. */
export class FillFrame {
  readonly sources: Set<string>;
  readonly sourceVersions = new Map<string, number>();
  readonly context: FillContext;
  readonly #options: FillFrameOptions;
  #ttl: Ttl | undefined;
  #open = true;
  #obstacle: Obstacle | undefined;

  constructor(options: FillFrameOptions) {
    this.#options = options;
    this.sources = new Set(options.sources);
    this.context = this.#createContext(options);
  }

  get ttl(): Ttl | undefined {
    return this.#ttl;
  }

  get open(): boolean {
    return this.#open;
  }

  /** Why this answer may not be kept, if so. */
  get obstacle(): Obstacle | undefined {
    return this.#obstacle;
  }

  /** Whether this fill, or one that it is part of, computes the answer to the same question. */
  answers(subject: string, origin: Origin): boolean {
    const { parent } = this.#options;
    if (this.#options.subject === subject && sameDeployment(this.#options.origin, origin)) return true;
    return parent?.answers(subject, origin) ?? false;
  }

  /**
   * An answer built from a cached answer stands on the same sources (I9).
   *
   * Why that is enough within one bucket: this fill's lease is older than the look-up of the inner answer. A source that
   * changed after the lease has a fence above it, and the commit is refused; one that changed before the lease had its
   * fence when the inner answer was judged. Fences of another bucket may lag behind, so that an inner hit there can be old
   * while no fence here will ever be above our lease: such an answer is given, and not kept.
   */
  inherit({ sources, origin, obstacle }: InnerAnswer): void {
    for (const source of sources) this.sources.add(source);
    const here = this.#options.origin;
    const sameFences = origin.bucket === here.bucket && sameDeployment(origin, here);
    this.#obstacle ??= obstacle ?? (sameFences ? undefined : "other-bucket");
  }

  /**
   * What answers that this one is built from must meet: an inner answer that does not know of a change makes an outer one
   * that does not (I9). Tokens of another deployment's log mean nothing there.
   */
  demandsFor(origin: Origin): Demands | undefined {
    const { demands, parent } = this.#options;
    const outer = parent?.demandsFor(origin);
    return sameDeployment(this.#options.origin, origin) ? mergeDemands(demands, outer) : outer;
  }

  close(): void {
    this.#open = false;
  }

  #createContext({ ttl: rule, signal }: FillFrameOptions): FillContext {
    const alive = (method: string): void => {
      if (this.#open) return;
      throw cacheError(
        "UNSTALE_INVALID_ARGUMENT",
        `context.${method}() was called after the fill had ended, so it cannot count any more. Await everything that the ` +
          "answer is built from before returning it.",
      );
    };
    return {
      dependsOn: (ids, { version } = {}) => {
        alive("dependsOn");
        const checked = version === undefined ? undefined : checkVersion(version);
        for (const id of normaliseSources(ids)) {
          this.sources.add(id);
          // Read twice: the older reading decides.
          if (checked !== undefined) {
            this.sourceVersions.set(id, Math.min(checked, this.sourceVersions.get(id) ?? checked));
          }
        }
      },
      setTtl: (ttl) => {
        alive("setTtl");
        rule.check(ttl);
        this.#ttl = ttl;
      },
      skip: () => {
        alive("skip");
        this.#obstacle = "skipped";
      },
      signal,
    };
  }
}

/** One for all caches of the process: an answer of one cache may be built from answers of another. */
const frames = new AsyncLocalStorage<FillFrame>();

/** The fill that this code runs in, unless it has ended. */
export function currentFill(): FillFrame | undefined {
  const frame = frames.getStore();
  return frame?.open ? frame : undefined;
}

/** Runs a fill; what it starts knows that it is part of it. */
export async function runFill<T>(frame: FillFrame, fill: (context: FillContext) => Promise<T> | T): Promise<T> {
  try {
    return await frames.run(frame, async () => fill(frame.context));
  } finally {
    frame.close();
  }
}
