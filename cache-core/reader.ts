import type { Clock } from "./clock.ts";
import { Deadline } from "./deadline.ts";
import type { DeploymentCheck } from "./deployment.ts";
import { decodeResponse } from "./entry.ts";
import { isUnstaleError } from "./errors.ts";
import { subjectOf } from "./keys.ts";
import type { Lease } from "./lease.ts";
import type { CacheStore, Demands, ReadReply, Scope, Snapshot, UnmetDemand } from "./store.ts";
import type { Telemetry } from "./telemetry.ts";

/**
 * Why there is no answer. `absent`: no living entry. `lost`: the bucket's state was lost and is new. `codec`: the entry is
 * encoded in a way that is not ours. `moved`: versions were raised faster than they could be read. `format`: the keys are
 * of a newer format. `unavailable`: the store did not answer in time, or with an error. `behind`, `unconfirmed`: what the
 * caller demands is not met; whether there is an entry was not looked at.
 */
export type MissReason = "absent" | "lost" | "codec" | "moved" | "format" | "unavailable" | UnmetDemand;

export interface Hit {
  readonly kind: "hit";
  readonly response: unknown;
  readonly sources: readonly string[];
}

export interface Miss {
  readonly kind: "miss";
  readonly lease: Lease;
  readonly reason: MissReason;
}

export type Lookup = Hit | Miss;

export interface ReaderOptions {
  readonly store: CacheStore;
  readonly deployment: DeploymentCheck;
  readonly versions: KnownVersions;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** How long one look-up may take in ms, all its steps together. */
  readonly timeoutMs: number;
  /** Told of each error that became a miss. */
  readonly onError: (error: unknown) => void;
}

/** An entry of a namespace can be raised under each read; more often than this in a row is a miss. */
const maxMoves = 3;

/**
 * Looks entries up. A look-up never rejects because of the store: what cannot be known is a miss, and its lease is one that
 * every commit refuses (I4).
 */
export class Reader {
  readonly #options: ReaderOptions;
  readonly #deadline: Deadline;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#deadline = new Deadline({ clock: options.clock, ms: options.timeoutMs });
  }

  /** @throws UnstaleError `UNSTALE_CONFIG_MISMATCH`, `UNSTALE_CLOSED` */
  async read(scope: Scope, query: string, demands?: Demands): Promise<Lookup> {
    const { clock, telemetry } = this.#options;
    const startedAt = clock.now();
    const lookup = await this.#bounded(scope, query, () => this.#look(scope, query, demands));
    const result = lookup.kind;
    telemetry.add("reads", lookup.kind === "hit" ? { result } : { result, reason: lookup.reason });
    telemetry.record("readDuration", clock.now() - startedAt, { result });
    return lookup;
  }

  /** A lease without looking at the entry. */
  lease(scope: Scope, query: string): Promise<Miss> {
    return this.#bounded(scope, query, () => this.#open(scope, query, "absent"));
  }

  async #bounded<T extends Lookup>(scope: Scope, query: string, work: () => Promise<T>): Promise<T | Miss> {
    const { deployment, onError } = this.#options;
    try {
      return await this.#deadline.bound(deployment.agreed ? work : () => deployment.agree().then(work));
    } catch (error) {
      if (isCallersConcern(error)) throw error;
      if (isTooNew(error)) return miss(scope, query, "format");
      onError(error);
      return miss(scope, query, "unavailable");
    }
  }

  async #look(scope: Scope, query: string, demands: Demands | undefined): Promise<Lookup> {
    const { store, versions, deployment } = this.#options;
    for (let moves = 0; moves <= maxMoves; moves += 1) {
      const reply = await store.read({ ...scope, query, versions: versions.get(scope), demands });
      if (reply.kind === "moved") {
        versions.set(scope, reply.versions);
        continue;
      }
      if (reply.kind === "lost") {
        deployment.forget();
        return this.#open(scope, query, "lost");
      }
      return this.#judge(scope, query, reply);
    }
    return this.#open(scope, query, "moved");
  }

  #judge(scope: Scope, query: string, reply: Exclude<ReadReply, { kind: "moved" | "lost" }>): Lookup | Promise<Lookup> {
    switch (reply.kind) {
      case "hit": {
        const decoded = decodeResponse(reply.response, reply.codec);
        if (!decoded) return this.#open(scope, query, "codec");
        return { kind: "hit", response: decoded.value, sources: reply.sources };
      }
      case "miss":
        return miss(scope, query, reply.unmet ?? "absent", reply.snapshot);
      case "format":
        return miss(scope, query, "format");
      default:
        return reply satisfies never;
    }
  }

  async #open(scope: Scope, query: string, reason: MissReason): Promise<Miss> {
    const { store, versions } = this.#options;
    const reply = await store.open(scope);
    if (reply.kind === "format") return miss(scope, query, "format");
    versions.set(scope, reply.snapshot.versions);
    return miss(scope, query, reason, reply.snapshot);
  }
}

function miss(scope: Scope, query: string, reason: MissReason, snapshot?: Snapshot): Miss {
  const subject = subjectOf(scope.namespace, query);
  return { kind: "miss", reason, lease: { subject, ...(snapshot ? { snapshot } : {}) } };
}

/** Errors that say something about the program, not about the store's health: those are never turned into a miss. */
export function isCallersConcern(error: unknown): boolean {
  return isUnstaleError(error) && (error.code === "UNSTALE_CONFIG_MISMATCH" || error.code === "UNSTALE_CLOSED");
}

/** The deployment is of a newer format: as expected while programs of two versions run side by side. */
export function isTooNew(error: unknown): boolean {
  return isUnstaleError(error) && error.code === "UNSTALE_FORMAT_TOO_NEW";
}

/** The version counters as this process last saw them: a guess that saves a round trip; the store compares them. */
export class KnownVersions {
  readonly #byScope = new Map<string, readonly string[]>();
  readonly #limit: number;

  /** At most `limit` scopes are remembered; the one that was learnt first goes first. */
  constructor(limit = 10_000) {
    this.#limit = limit;
  }

  get(scope: Scope): readonly string[] {
    return this.#byScope.get(nameOf(scope)) ?? [];
  }

  set(scope: Scope, versions: readonly string[]): void {
    const name = nameOf(scope);
    this.#byScope.delete(name);
    this.#byScope.set(name, versions);
    if (this.#byScope.size <= this.#limit) return;
    const [oldest] = this.#byScope.keys();
    if (oldest !== undefined) this.#byScope.delete(oldest);
  }
}

function nameOf({ bucket, namespace }: Scope): string {
  return `${bucket} ${namespace ?? ""}`;
}
