import { demandsKey } from "./demands.ts";
import { cacheError } from "./errors.ts";
import { currentFill, type FillFrame, type Origin } from "./fill-context.ts";
import { type FillCall, FillCourse, type FillTools, found, type GetOrSetResult, type Outcome } from "./fill-course.ts";
import { subjectOf } from "./keys.ts";
import type { Hit, Miss } from "./reader.ts";
import { Semaphore } from "./semaphore.ts";
import { Flight, Flights, type Seat } from "./single-flight.ts";
import type { Scope } from "./store.ts";

export interface FillerOptions {
  readonly tools: FillTools;
  /** Which fences judge the answers of a scope. */
  readonly originOf: (scope: Scope) => Origin;
  readonly maxConcurrentFills: number;
}

/** A caller joins two flights at most: after that it makes its own. */
const maxRounds = 3;

/**
 * `getOrSet`: of all callers who miss one entry at the same time, in all processes, one fills.
 *
 * In this process the first to miss opens a {@link Flight}, and others join it. Between processes, flights compete for the
 * fill lock; who does not get it looks for the entry again and again (each time by a verified read), and for the lock.
 * Both kinds of waiting are bounded; who waited in vain fills. At most `maxConcurrentFills` fills compute at a time.
 *
 * Fills inside fills run on the permit of the outermost one: were they to wait for permits, all permits could be held by
 * fills that wait. For the same reason they never wait for a flight that has no permit yet. Two fills that ask for
 * each other's answers (without a cache they would call each other for ever) end in an error when the wait is over.
 *
 * Callers who demand something share with those who demand the same: their look-ups ask for it, and the fill began after
 * the first of them came, hence after the record that they name. Who bounds staleness joins a fill under way only if it
 * began within that time, since what it read may be as old as it is. While a demand is not met, nobody else's fill can be
 * the answer, so nobody else's is waited for.
 *
 * Locks and flights only save work. What keeps answers true is that each fill has a lease from before it began.
 */
export class Filler {
  readonly #options: FillerOptions;
  readonly #flights = new Flights<Outcome>();
  readonly #permits: Semaphore;
  readonly #courses = new Set<FillCourse>();
  readonly #background = new Set<Promise<void>>();
  #closed: Error | undefined;

  constructor(options: FillerOptions) {
    this.#options = options;
    this.#permits = new Semaphore(options.maxConcurrentFills);
  }

  async getOrSet(call: FillCall): Promise<GetOrSetResult<unknown>> {
    const subject = subjectOf(call.scope.namespace, call.query);
    const outer = currentFill();
    if (outer?.answers(subject, this.#options.originOf(call.scope))) {
      throw cacheError(
        "UNSTALE_INVALID_ARGUMENT",
        "fill: the answer is being computed from itself: getOrSet was called for it inside its own fill.",
      );
    }
    const answer = await this.#answer(call, subject, outer);
    const { sources, reason } = answer;
    const obstacle = reason === "skipped" || reason === "other-bucket" ? reason : undefined;
    outer?.inherit({ sources, obstacle, origin: this.#options.originOf(call.scope) });
    return answer;
  }

  /** Callers who wait get `reason`; fills that run see their signal aborted, and are not waited for. */
  async close(reason: Error): Promise<void> {
    this.#closed = reason;
    for (const course of this.#courses) course.abort(reason);
    await Promise.all(this.#background);
  }

  async #answer(call: FillCall, subject: string, outer: FillFrame | undefined): Promise<GetOrSetResult<unknown>> {
    // A refresh wants what is computed after it asked: it waits for no fill that is under way.
    let patient = !call.refresh;
    const flightKey = subject + demandsKey(call.demands);
    for (let round = 1; ; round += 1) {
      call.signal?.throwIfAborted();
      const lookup = await this.#lookUp(call);
      if (lookup.kind === "hit") return found(lookup);
      call.signal?.throwIfAborted();
      const running = round < maxRounds ? this.#flights.get(flightKey) : undefined;
      if (
        !running ||
        !mayJoin(running, { patient: patient && this.#isRecent(running, call), nested: outer !== undefined })
      ) {
        const waits = round === 1 && !call.refresh && lookup.reason !== "behind" && lookup.reason !== "unconfirmed";
        return this.#lead({ call, subject, flightKey, outer, waits }, lookup);
      }
      patient &&= running.gathering;
      const outcome = await this.#sit(running.arrive(), call.signal, this.#options.tools.waitMs);
      if (outcome !== "again") return shared(outcome);
    }
  }

  #lookUp({ scope, query, refresh, demands }: FillCall): Promise<Hit | Miss> {
    const { reader } = this.#options.tools;
    return refresh ? reader.lease(scope, query) : reader.read(scope, query, demands);
  }

  /** Whether a fill under way knows of enough. */
  #isRecent({ filledSince }: Flight<Outcome>, { demands }: FillCall): boolean {
    if (filledSince === undefined || demands?.maxStalenessMs === undefined) return true;
    return this.#options.tools.clock.now() - filledSince <= demands.maxStalenessMs;
  }

  async #lead(
    plan: { call: FillCall; subject: string; flightKey: string; outer: FillFrame | undefined; waits: boolean },
    miss: Miss,
  ): Promise<GetOrSetResult<unknown>> {
    if (this.#closed) throw this.#closed;
    const { tools, originOf } = this.#options;
    const flight = new Flight<Outcome>();
    const course = new FillCourse({
      ...plan,
      tools,
      flight,
      flights: this.#flights,
      permits: this.#permits,
      origin: originOf(plan.call.scope),
      inBackground: (work) => this.#inBackground(work),
    });
    const seat = flight.arrive();
    this.#flights.open(plan.flightKey, flight);
    this.#courses.add(course);
    void course.fly(miss).finally(() => this.#courses.delete(course));
    const outcome = await this.#sit(seat, plan.call.signal);
    if (outcome === "again") throw new Error("The first to arrive may take any outcome.");
    if (outcome.status === "failed") throw outcome.error;
    return outcome;
  }

  /** Waits for an outcome: at most `ms` (then it is `"again"`), and until this caller gives up. */
  async #sit(seat: Seat<Outcome>, signal: AbortSignal | undefined, ms?: number): Promise<Outcome | "again"> {
    const { clock, telemetry } = this.#options.tools;
    const startedAt = clock.now();
    const over = new AbortController();
    const giveUp = (): void => over.abort(signal?.reason);
    signal?.addEventListener("abort", giveUp, { once: true });
    const end = ms === undefined ? aborted(over.signal) : clock.sleep(ms, over.signal).then(() => "again" as const);
    try {
      const outcome = await Promise.race([seat.outcome, end]);
      if (ms === undefined) return outcome;
      const result = outcome === "again" ? "again" : "taken";
      telemetry.record("waits", clock.now() - startedAt, { for: "flight", outcome: result });
      return outcome;
    } finally {
      signal?.removeEventListener("abort", giveUp);
      over.abort();
      seat.leave();
    }
  }

  #inBackground(work: Promise<void>): void {
    const tracked = work.finally(() => this.#background.delete(tracked));
    this.#background.add(tracked);
  }
}

/** Inside another fill, a flight without a permit may be waiting for ours. */
function mayJoin(flight: Flight<Outcome>, { patient, nested }: { patient: boolean; nested: boolean }): boolean {
  if (flight.signal.aborted) return false;
  return flight.gathering ? flight.hasTurn || !nested : patient;
}

/** What an outcome is to those whose own fill did not run. */
function shared(outcome: Outcome): GetOrSetResult<unknown> {
  if (outcome.status === "failed") throw outcome.error;
  return outcome.status === "filled" ? { ...outcome, status: "hit" } : outcome;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
