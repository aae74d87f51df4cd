import type { CacheStore, Clock } from "@unstale/cache-core";
import { deadLetterTopic, type KafkaAdmin, type LogReading } from "../../consumers/index.ts";
import { standingsOf } from "../commands/lag.ts";
import { type CheckResult, fail, ok, warn } from "./check.ts";

export interface LogChecks {
  readonly admin: Pick<KafkaAdmin, "bounds" | "committed" | "describeTopic">;
  readonly reader: Pick<LogReading, "read">;
  readonly store: Pick<CacheStore, "heartbeat">;
  readonly groupId: string;
  readonly clock: Pick<Clock, "now">;
}

/** Whether a topic keeps its events long enough, and safely enough, for workers to see them. */
export async function logChecks(topic: string, brokers: number, checks: LogChecks): Promise<readonly CheckResult[]> {
  const [described, standings] = await Promise.all([checks.admin.describeTopic(topic), standingsOf(topic, checks)]);
  const seconds = Math.max(0, ...standings.map((one) => one.seconds));
  const records = standings.reduce((sum, one) => sum + one.records, 0);
  return [
    replicaCheck(topic, described.replicas, brokers),
    lagCheck(topic, { records, seconds, retentionMs: described.retentionMs }),
  ];
}

export function replicaCheck(topic: string, replicas: number, brokers: number): CheckResult {
  const name = `replicas ${topic}`;
  const message = `${replicas} of each partition, on ${brokers} brokers`;
  if (replicas > 1 || brokers === 1) return ok(name, message);
  return warn(name, `${message}: a broker that goes takes events along`, "Raise its replication factor to 3.");
}

interface Behind {
  readonly records: number;
  readonly seconds: number;
  /** Absent where this user may not read it, or nothing is ever dropped. */
  readonly retentionMs?: number | undefined;
}

export function lagCheck(topic: string, { records, seconds, retentionMs }: Behind): CheckResult {
  const name = `lag ${topic}`;
  const keeps = retentionMs === undefined ? "" : `; the log keeps ${words(retentionMs / 1_000)}`;
  const message = `${records} records not committed, the oldest ${words(seconds)} old${keeps}`;
  const todo =
    "Start workers, or find out what holds them up (/readyz?verbose); raise the topic's retention.ms until then.";
  const share = retentionMs === undefined ? 0 : (seconds * 1_000) / retentionMs;
  if (share >= 1) return fail(name, `${message}: events are lost before they are seen`, todo);
  if (share >= 0.5) return warn(name, `${message}: soon events are lost before they are seen`, todo);
  if (seconds >= 60) return warn(name, message, "See whether a worker runs, and what its /readyz?verbose says.");
  return ok(name, message);
}

export async function letterCheck(topic: string, admin: Pick<KafkaAdmin, "bounds">): Promise<CheckResult> {
  const letters = deadLetterTopic(topic);
  const bounds = await admin.bounds(letters);
  const waiting = bounds.reduce((sum, { low, end }) => sum + Number(end - low), 0);
  if (waiting === 0) return ok(`topic ${letters}`, "exists, empty");
  return warn(
    `topic ${letters}`,
    `${waiting} dead letters: records that could not be read`,
    `See why with "unstale dlq list --topic ${topic}".`,
  );
}

function words(seconds: number): string {
  const units = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "m"],
  ] as const;
  const [size, unit] = units.find(([each]) => seconds >= 2 * each) ?? [1, "s"];
  return `${Math.round(seconds / size)} ${unit}`;
}
