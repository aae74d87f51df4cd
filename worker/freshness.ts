/**
 * Confirms that nothing in the log is missing in Valkey: what reads with `maxStaleness` stand on.
 *
 * One round: Valkey tells a moment of its own clock and what is applied; *then* Kafka tells where every partition of every
 * topic ends, so that whatever was acknowledged before the moment lies below; then Valkey compares what is applied with
 * these ends and notes the moment, in one step. Partitions of other workers, and of nobody, count like our own: what they
 * applied lies in Valkey. Whatever is not known (a topic is missing, Kafka does not answer, a log ends before what was
 * applied of it) lets the round pass without a claim; then the last one ages, and reads miss.
 *
 * A claim that does not hold yet is made again in the next rounds, so that steady traffic cannot postpone it for ever; it
 * is given up when the logs turn out to be others. Every worker does this; who sees that another one did it just now does
 * not ask Kafka.
 */
import type { CacheStore, Clock, ConfirmReply, Moment } from "@unstale/cache-core";
import type { ChangeSource, Partition, PartitionOffset } from "../consumers/change-source.ts";
import { reasonOf } from "./errors.ts";
import type { Logger } from "./logger.ts";

export interface Freshness {
  /** One round over all buckets. Never rejects. */
  round(): Promise<void>;
  /** How long ago it was last confirmed that nothing is missing; buckets of which it is not known are left out. */
  ages(): readonly { readonly bucket: number; readonly ms: number }[];
}

export interface FreshnessOptions {
  readonly store: Pick<CacheStore, "confirm">;
  readonly buckets: number;
  readonly ends: ChangeSource["ends"];
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

type Standing = Extract<ConfirmReply, { kind: "standing" }>;

interface Claim {
  readonly moment: Moment;
  readonly ends: readonly number[];
}

/** By how much a round may come early and still be one. */
const slack = 0.9;

export function createFreshness(options: FreshnessOptions): Freshness {
  const { store, buckets, everyMs, clock, log } = options;
  const everyBucket = Array.from({ length: buckets }, (_, bucket) => bucket);
  const claims = new Map<number, Claim>();
  const confirmed = new Map<number, { readonly age: number; readonly at: number }>();
  let partitions: readonly Partition[] = [];
  let trouble = "";

  async function round(): Promise<void> {
    try {
      tell(await confirmAll());
    } catch (error) {
      tell(reasonOf(error));
    }
  }

  /** Why nothing can be confirmed now; empty when all is well. */
  async function confirmAll(): Promise<string> {
    const replies = await Promise.all(everyBucket.map((bucket) => confirm(bucket, claims.get(bucket))));
    const standing = replies.filter((reply) => reply.kind === "standing");
    if (standing.length < replies.length) return "the state in Valkey is lost or of a newer format";
    if (standing.every(isRecent)) return "";
    const logs = await options.ends();
    if (logs.length === 0) return "the source knows of no partition";
    const isKnown = isSame(partitions, logs);
    const ends = logs.map(({ offset }) => Number(offset));
    if (!isKnown) {
      claims.clear();
      partitions = logs.map(({ topic, partition }) => ({ topic, partition }));
      return "";
    }
    const reasons = await Promise.all(standing.map((reply, bucket) => claimIn(bucket, reply, ends)));
    return reasons.find((reason) => reason !== "") ?? "";
  }

  async function claimIn(bucket: number, { moment, applied }: Standing, ends: readonly number[]): Promise<string> {
    const pending = claims.get(bucket);
    if (pending && isStill(pending, moment, ends)) return "";
    const strange = ends.findIndex((end, index) => (applied[index] ?? 0) > end);
    if (strange !== -1) {
      claims.delete(bucket);
      return `${nameOf(partitions[strange])} ends before what was applied of it: it is another log`;
    }
    const claim = { moment, ends };
    claims.set(bucket, claim);
    await confirm(bucket, claim);
    return "";
  }

  async function confirm(bucket: number, claim: Claim | undefined): Promise<ConfirmReply> {
    const reply = await store.confirm({ bucket, partitions, claim });
    if (reply.kind !== "standing") {
      claims.delete(bucket);
      confirmed.delete(bucket);
      return reply;
    }
    if (reply.holds) claims.delete(bucket);
    if (reply.confirmedAt === undefined) confirmed.delete(bucket);
    else confirmed.set(bucket, { age: (reply.moment.at - reply.confirmedAt) / 1_000, at: clock.now() });
    return reply;
  }

  function isRecent({ moment, confirmedAt }: Standing): boolean {
    return confirmedAt !== undefined && moment.at - confirmedAt < everyMs * 1_000 * slack;
  }

  function tell(reason: string): void {
    if (reason === trouble) return;
    trouble = reason;
    if (reason !== "")
      log.info({ reason }, "reads of bounded staleness miss: it cannot be confirmed that nothing is missing");
  }

  return {
    round,
    ages: () => [...confirmed].map(([bucket, { age, at }]) => ({ bucket, ms: Math.max(0, age + clock.now() - at) })),
  };
}

/** The same server and birth, and logs that only grew. */
function isStill({ moment, ends }: Claim, now: Moment, latest: readonly number[]): boolean {
  if (moment.birth !== now.birth || moment.replicationId !== now.replicationId || moment.at > now.at) return false;
  return ends.every((end, index) => end <= (latest[index] ?? -1));
}

function isSame(known: readonly Partition[], logs: readonly PartitionOffset[]): boolean {
  return (
    known.length === logs.length &&
    logs.every(({ topic, partition }, index) => known[index]?.topic === topic && known[index]?.partition === partition)
  );
}

function nameOf(partition: Partition | undefined): string {
  return partition ? `${partition.topic}/${partition.partition}` : "a partition";
}
