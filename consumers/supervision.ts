import { isUnstaleError } from "@unstale/cache-core";
import { type BackoffPolicy, backoffMs, type Random } from "./backoff.ts";
import { consumerError } from "./errors.ts";
import { reactionTo } from "./failure.ts";

/** How one consumer ended, from its connect to its last word. */
export type SessionEnd =
  | { readonly kind: "stopped" }
  /** Its topics changed: the next one begins at once. */
  | { readonly kind: "recycled" }
  /** None of its topics exists. */
  | { readonly kind: "waiting"; readonly reason: string }
  /** The group is somebody else's. */
  | { readonly kind: "refused"; readonly error: Error }
  | { readonly kind: "crashed"; readonly error: Error; readonly joined: boolean };

export interface SupervisionPolicy {
  readonly backoff: BackoffPolicy;
  /** Crashes within `windowMs` after which we give up. Outages do not count: they end. */
  readonly maxCrashes: number;
  readonly windowMs: number;
  /** Between two looks for topics that do not exist. */
  readonly topicPollMs: number;
}

export const defaultSupervision: SupervisionPolicy = {
  backoff: { baseMs: 500, maxMs: 5_000 },
  maxCrashes: 8,
  windowMs: 600_000,
  topicPollMs: 5_000,
};

export type Decision =
  | { readonly kind: "stop" }
  | { readonly kind: "begin"; readonly afterMs: number; readonly attempt: number }
  | { readonly kind: "give-up"; readonly error: Error };

/** Decides what follows the end of a consumer. Knows no Kafka and no time of its own. */
export class Supervision {
  readonly #policy: SupervisionPolicy;
  readonly #random: Random;
  #crashes: number[] = [];
  #attempt = 0;
  #everJoined = false;

  constructor(policy: SupervisionPolicy, random: Random) {
    this.#policy = policy;
    this.#random = random;
  }

  decide(end: SessionEnd, now: number): Decision {
    switch (end.kind) {
      case "stopped":
        return { kind: "stop" };
      case "recycled":
        return { kind: "begin", afterMs: 0, attempt: 0 };
      case "waiting":
        return { kind: "begin", afterMs: this.#policy.topicPollMs, attempt: 0 };
      case "refused":
        return { kind: "give-up", error: end.error };
      case "crashed":
        return this.#afterCrash(end.error, end.joined, now);
    }
  }

  #afterCrash(error: Error, joined: boolean, now: number): Decision {
    if (joined) {
      this.#everJoined = true;
      this.#attempt = 0;
    }
    const mistake = reactionTo(error) === "crash";
    // Before anything ever worked it is a setting that is wrong; later, a credential may be on its way.
    if (mistake && !this.#everJoined) return { kind: "give-up", error };
    if (!isOutage(error)) this.#crashes.push(now);
    this.#crashes = this.#crashes.filter((time) => now - time < this.#policy.windowMs);
    if (this.#crashes.length >= this.#policy.maxCrashes) {
      const minutes = Math.round(this.#policy.windowMs / 60_000);
      const message = `The Kafka consumer crashed ${this.#crashes.length} times within ${minutes} minutes, last: ${error.message}`;
      return { kind: "give-up", error: consumerError("UNSTALE_KAFKA_GAVE_UP", message, { cause: error }) };
    }
    this.#attempt += 1;
    const afterMs = backoffMs(this.#attempt, this.#policy.backoff, this.#random);
    return { kind: "begin", afterMs, attempt: this.#attempt };
  }
}

export function isOutage(error: unknown): boolean {
  return isUnstaleError(error) && error.code === "UNSTALE_KAFKA_UNREACHABLE";
}
