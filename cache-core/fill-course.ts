import type { Clock } from "./clock.ts";
import { encodeResponse } from "./entry.ts";
import { type FillContext, FillFrame, type Obstacle, type Origin, runFill } from "./fill-context.ts";
import { acquireFillLock, type FillLockOptions, type HeldLock } from "./fill-lock.ts";
import type { Hit, Miss, Reader } from "./reader.ts";
import type { Release, Semaphore } from "./semaphore.ts";
import type { Flight, Flights } from "./single-flight.ts";
import type { Demands, Scope } from "./store.ts";
import type { Telemetry } from "./telemetry.ts";
import type { Ttl, TtlRule } from "./ttl.ts";
import type { SetRefusal, Writer } from "./writer.ts";

/**
 * Why an answer was not kept though nothing that it is built from is known to have changed: `skipped` (a fill called
 * `context.skip()`), `other-bucket` (it is built from an answer that other fences judge), or
 * - `unavailable`: the store did not answer before the fill, or at the commit;
 * - `too-large`: more than `maxResponseBytes`.
 */
export type UncachedReason = Obstacle | "unavailable" | "too-large";

/** Why a commit was refused. */
export type RefusedReason = Exclude<SetRefusal, "unavailable" | "not-this-query">;

interface Answer<T> {
  readonly response: T;
  /** What the answer is built from. */
  readonly sources: readonly string[];
}

/**
 * The answer, and where it came from.
 * - `hit`: from the cache, or from the fill of another caller of this process that was written; the own fill did not run.
 * - `filled`: the own fill ran, and its answer was written.
 * - `refused`: the answer is fresh and was not written: a source changed while it was computed, twice, or another reason.
 * - `uncached`: the answer is fresh and was not written, because that was not to be or not possible.
 *
 * Callers that share an answer get the same object: treat it as read-only.
 */
export type GetOrSetResult<T> =
  | (Answer<T> & { readonly status: "hit" | "filled"; readonly reason?: undefined })
  | (Answer<T> & { readonly status: "refused"; readonly reason: RefusedReason })
  | (Answer<T> & { readonly status: "uncached"; readonly reason: UncachedReason });

export type Outcome = GetOrSetResult<unknown> | { readonly status: "failed"; readonly error: unknown };

export interface FillCall {
  readonly scope: Scope;
  readonly query: string;
  readonly fill: (context: FillContext) => unknown;
  readonly sources: readonly string[];
  readonly ttl: Ttl | undefined;
  readonly signal: AbortSignal | undefined;
  readonly refresh: boolean;
  readonly demands: Demands | undefined;
}

/** What all fills of a cache share. */
export interface FillTools {
  readonly reader: Reader;
  readonly writer: Writer;
  readonly ttl: TtlRule;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly lock: FillLockOptions;
  /** How long to wait for a fill that somebody else makes, in ms. */
  readonly waitMs: number;
  readonly maxResponseBytes: number;
  readonly onTooLarge: (bytes: number) => void;
}

export interface CourseOptions {
  readonly tools: FillTools;
  readonly permits: Semaphore;
  readonly flights: Flights<Outcome>;
  readonly flight: Flight<Outcome>;
  readonly call: FillCall;
  readonly subject: string;
  /** Under which callers find the flight. */
  readonly flightKey: string;
  readonly origin: Origin;
  /** The fill that this one is part of. */
  readonly outer: FillFrame | undefined;
  /** Whether to wait while another process fills. Without, the lock is taken if it is free. */
  readonly waits: boolean;
  readonly inBackground: (work: Promise<void>) => void;
}

const firstPollMs = 15;
const longestPollMs = 500;

/** The course of one flight, from a miss to its landing: turn, lock, fill, commit, and all of that once more when refused. */
export class FillCourse {
  readonly flight: Flight<Outcome>;
  readonly #options: CourseOptions;
  #permit: Release | undefined;
  #lock: HeldLock | undefined;

  constructor(options: CourseOptions) {
    this.flight = options.flight;
    this.#options = options;
    // A fill that ignores its signal goes on, but nobody shall wait for it: newcomers make their own flight.
    options.flight.signal.addEventListener("abort", () => this.#unlock(), { once: true });
  }

  /** Never rejects: the flight lands instead. */
  async fly(miss: Miss): Promise<void> {
    const { flights, flightKey } = this.#options;
    try {
      const ready = await this.#secure(miss);
      if (ready) await this.#fillTwice(ready);
    } catch (error) {
      // The error of a fill belongs to everybody who waits: the same question, asked again at once, would meet the same
      // trouble, and a source in trouble is not helped by a herd. That one caller gave up is no news to the others.
      this.flight.land({ status: "failed", error }, isAbort(error) ? 1 : this.flight.arrivals);
    } finally {
      flights.close(flightKey, this.flight);
      this.#release();
    }
  }

  /** Everybody who waits gets the error, the fill's signal is aborted, and nothing is held any more. */
  abort(error: unknown): void {
    this.flight.land({ status: "failed", error }, this.flight.arrivals);
    this.flight.abort(error);
    this.#release();
  }

  /** Gets a permit, and the lock if that is to be had. `undefined`: the flight landed on an entry that others wrote. */
  async #secure(first: Miss): Promise<Miss | undefined> {
    const { clock, waitMs } = this.#options.tools;
    const giveUpAt = clock.now() + waitMs;
    let miss: Miss | undefined = first;
    for (let pause = firstPollMs; ; pause = Math.min(pause * 2, longestPollMs)) {
      const { waited } = await this.#takeTurn();
      if (waited) miss = await this.#lookAgain(miss);
      if (!miss) return undefined;
      const lock = await this.#takeLock(miss);
      // Between our look-up and our lock, another process may have filled and written.
      if (lock === "free") return this.#lookAgain(miss);
      if (lock === "unknown" || !this.#options.waits || clock.now() >= giveUpAt) return miss;
      this.#release();
      miss = await this.#poll(miss, pause);
      if (!miss) return undefined;
    }
  }

  /** Somebody else fills: looks for the entry after a pause. */
  async #poll(miss: Miss, pause: number): Promise<Miss | undefined> {
    const { clock, telemetry } = this.#options.tools;
    const startedAt = clock.now();
    await clock.sleep(pause, this.flight.signal);
    const next = await this.#lookAgain(miss);
    telemetry.record("waits", clock.now() - startedAt, { for: "lock", outcome: next ? "again" : "taken" });
    return next;
  }

  async #takeTurn(): Promise<{ readonly waited: boolean }> {
    const { outer, permits, tools } = this.#options;
    const { clock, telemetry } = tools;
    const startedAt = clock.now();
    // A fill inside another one runs on the permit of that.
    const atOnce = outer ? (): void => undefined : permits.tryAcquire();
    this.#permit = atOnce ?? (await permits.acquire(this.flight.signal));
    this.flight.hasTurn = true;
    if (!atOnce) telemetry.record("waits", clock.now() - startedAt, { for: "permit", outcome: "taken" });
    return { waited: !atOnce };
  }

  async #takeLock(miss: Miss): Promise<"free" | "taken" | "unknown"> {
    // The store is away: nobody to agree with.
    if (!miss.lease.snapshot) return "unknown";
    const { call, tools } = this.#options;
    const { scope, query } = call;
    const lock = await acquireFillLock({ scope, query }, tools.lock);
    if (typeof lock === "string") return lock;
    this.#lock = lock;
    this.#stopIfAlone();
    return "free";
  }

  #release(): void {
    this.flight.hasTurn = false;
    this.#permit?.();
    this.#permit = undefined;
    this.#unlock();
  }

  #unlock(): void {
    if (this.#lock) this.#options.inBackground(this.#lock.release());
    this.#lock = undefined;
  }

  /** Before anything that costs: nobody waits any more. */
  #stopIfAlone(): void {
    if (!this.flight.signal.aborted) return;
    this.#unlock();
    throw this.flight.signal.reason;
  }

  /** A newer lease, unless somebody wrote meanwhile: then the flight lands. A lease in hand is not lost to an outage. */
  async #lookAgain(known: Miss): Promise<Miss | undefined> {
    if (this.#options.call.refresh || !known.lease.snapshot) return known;
    const lookup = await this.#lookUp();
    return lookup?.lease.snapshot ? lookup : lookup && known;
  }

  /** Lands the flight when there is an entry: for those who had arrived before this look-up was sent. */
  async #lookUp(): Promise<Miss | undefined> {
    const { tools, call } = this.#options;
    const takers = this.flight.arrivals;
    const lookup = await tools.reader.read(call.scope, call.query, call.demands);
    if (lookup.kind === "miss") return lookup;
    this.flight.land(found(lookup), takers);
    return undefined;
  }

  async #fillTwice(first: Miss): Promise<void> {
    const { call, tools, flights, flightKey } = this.#options;
    const { flight } = this;
    const once = await this.#fillOnce(first);
    if (flight.signal.aborted || once.outcome.status !== "refused" || !mends(once.outcome.reason)) {
      flight.land(once.outcome, once.takers);
      return;
    }
    // The answer may be a mixture of old and new: once more, under a lease from now. All who wait share the new fill.
    flight.regather();
    flights.reopen(flightKey, flight);
    const next = call.refresh ? await tools.reader.lease(call.scope, call.query) : await this.#lookUp();
    if (!next) return;
    const twice = await this.#fillOnce(next);
    flight.land(twice.outcome, twice.takers);
  }

  async #fillOnce(miss: Miss): Promise<{ readonly outcome: GetOrSetResult<unknown>; readonly takers: number }> {
    const { call, subject, flightKey, origin, outer, tools, flights } = this.#options;
    const { flight } = this;
    this.#stopIfAlone();
    const sharers = flight.begin(tools.clock.now());
    const { signal } = flight;
    const { sources, demands } = call;
    const frame = new FillFrame({ subject, origin, ttl: tools.ttl, signal, sources, demands, parent: outer });
    const response = await this.#compute(frame);
    const answer = { response, sources: [...frame.sources] };
    const uncached = (reason: UncachedReason) =>
      ({ outcome: { ...answer, status: "uncached", reason }, takers: sharers }) as const;
    if (frame.obstacle) return uncached(frame.obstacle);

    const encoded = encodeResponse(response);
    if (encoded.bytes > tools.maxResponseBytes) {
      tools.onTooLarge(encoded.bytes);
      return uncached("too-large");
    }
    // From here on nobody may join: see Flight.
    flights.close(flightKey, flight);
    const takers = flight.arrivals;
    const result = await tools.writer.write({
      scope: call.scope,
      query: call.query,
      response: encoded,
      sources: answer.sources,
      sourceVersions: frame.sourceVersions,
      ttlMs: tools.ttl.resolve(frame.ttl ?? call.ttl),
      lease: miss.lease,
    });
    if (result.written) return { outcome: { ...answer, status: "filled" }, takers };
    const reason = miss.reason === "format" ? "format" : result.reason;
    if (reason === "unavailable" || reason === "not-this-query") return uncached("unavailable");
    return { outcome: { ...answer, status: "refused", reason }, takers: owner };
  }

  async #compute(frame: FillFrame): Promise<unknown> {
    const { call, tools } = this.#options;
    const { clock, telemetry } = tools;
    const startedAt = clock.now();
    let outcome = "failed";
    telemetry.add("fillsActive", {}, 1);
    try {
      const response = await telemetry.span("fill", () => runFill(frame, call.fill));
      outcome = "done";
      return response;
    } finally {
      telemetry.add("fillsActive", {}, -1);
      telemetry.add("fills", { outcome });
      telemetry.record("fillDuration", clock.now() - startedAt, { outcome });
    }
  }
}

export function found({ response, sources }: Hit): GetOrSetResult<unknown> {
  return { response, sources, status: "hit" };
}

/** Of a refused fill: after it each caller fills with a lease of its own (I9). */
const owner = 1;

/** Whether a new lease can help: the others would be refused again. */
function mends(reason: RefusedReason): boolean {
  return reason === "changed" || reason === "version" || reason === "lost" || reason === "old";
}

function isAbort(error: unknown): boolean {
  // By name: a program may have aborts of more than one realm or library.
  return typeof error === "object" && error !== null && "name" in error && error.name === "AbortError";
}
