/**
 * What to do about changes that were missed, by topic and by who lost them.
 *
 * | who lost them | reasons | answer |
 * |---|---|---|
 * | the log, or the group's offsets | `expired` `recreated` `forgotten` `gap-*` | the topic's policy |
 * | Valkey | `lost` | everything |
 *
 * A topic's policy says what its events can make stale, so it bounds what a hole in *its log* can have spoilt. A Valkey
 * that forgot how far a partition was applied is another matter: fences of any topic, and invalidations that never were
 * events, may be gone with it, and its script answers the next slice with a barrier for everything in any case.
 */
import { namespaceProblem } from "@unstale/cache-core";
import type { OnGap, TopicSetting } from "../config/index.ts";
import { workerError } from "./errors.ts";

/** Why changes may have been missed: a metric label, and a word in the log. */
export type WideningReason =
  | "recreated"
  | "forgotten"
  | "lost"
  | "expired"
  | "gap-retention"
  | "gap-recreated"
  | "gap-reset"
  | "gap-skipped";

/** What is made unservable. */
export type Reach =
  | { readonly kind: "everything" }
  | { readonly kind: "namespaces"; readonly namespaces: readonly string[] }
  | { readonly kind: "nothing" };

export type ReachOf = (topic: string, reason: WideningReason) => Reach;

interface GapPolicy {
  readonly feeds?: readonly string[] | undefined;
  readonly onGap: OnGap;
}

/** @throws UnstaleError `UNSTALE_SETTINGS` for namespaces that the library does not take. */
export function createGapPolicies(topics: readonly TopicSetting[]): ReachOf {
  const problems = topics.flatMap(({ name, feeds = [] }) =>
    feeds.flatMap((namespace) => {
      const problem = namespaceProblem(namespace);
      return problem === undefined ? [] : [`topic ${name} feeds ${JSON.stringify(namespace)}: ${problem}`];
    }),
  );
  if (problems.length > 0) {
    const message = `kafka.topics: ${problems.join("; ")}. Name levels joined by ":", such as "docs:technical".`;
    throw workerError("UNSTALE_SETTINGS", message, { details: { problems } });
  }
  const policies = new Map<string, GapPolicy>(topics.map((topic) => [topic.name, topic]));
  return (topic, reason) => (reason === "lost" ? { kind: "everything" } : reachOf(policies.get(topic)));
}

function reachOf(policy: GapPolicy | undefined): Reach {
  if (policy?.onGap === "alert-only") return { kind: "nothing" };
  return policy?.feeds === undefined ? { kind: "everything" } : { kind: "namespaces", namespaces: policy.feeds };
}
