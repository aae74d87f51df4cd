import { type CacheStore, type Clock, isUnstaleError } from "@unstale/cache-core";
import type { Config } from "../../config/index.ts";
import {
  createKafkaAdmin,
  createLogReader,
  deadLetterTopic,
  type KafkaAdmin,
  type LogReading,
} from "../../consumers/index.ts";
import { kafkaConnection } from "../connections.ts";
import { reasonOf } from "../errors.ts";
import { decideStart } from "../start-position.ts";
import { type CheckResult, fail, failure, ok, warn } from "./check.ts";
import { letterCheck, logChecks } from "./log-checks.ts";

/** Reachability, topics, dead-letter topics, group, and whether log, group and Valkey agree about offsets. */
export async function kafkaChecks(
  config: Config,
  store: Pick<CacheStore, "heartbeat" | "deployment">,
  clock: Pick<Clock, "now">,
): Promise<readonly CheckResult[]> {
  const brokers = config.kafkaBrokers.join(", ");
  let admin: KafkaAdmin;
  try {
    admin = await createKafkaAdmin({ connection: kafkaConnection(config) });
  } catch (error) {
    return [failure("kafka", error, todoFor(error, brokers))];
  }
  try {
    const cluster = await admin.describeCluster();
    const topics = await admin.listTopics();
    const reached = ok("kafka", `cluster ${cluster.clusterId} with ${cluster.brokers} brokers, by ${brokers}`);
    const existing = config.kafkaTopics.map(({ name }) => name).filter((name) => topics.has(name));
    const { kafkaGroupId: groupId } = config;
    return [
      reached,
      ...(await Promise.all(config.kafkaTopics.map(({ name }) => topicChecks(name, topics, admin)))).flat(),
      await groupCheck(admin, groupId, await ownerOf(store)),
      ...(await Promise.all(existing.map((topic) => offsetCheck({ admin, store, topic, group: groupId })))),
      ...(await withReader(config, (reader) =>
        Promise.all(
          existing.map((topic) => logChecks(topic, cluster.brokers, { admin, reader, store, groupId, clock })),
        ),
      )),
    ];
  } catch (error) {
    return [failure("kafka", error, todoFor(error, brokers))];
  } finally {
    await admin.close();
  }
}

function todoFor(error: unknown, brokers: string): string {
  switch (isUnstaleError(error) ? error.code : undefined) {
    case "UNSTALE_KAFKA_AUTHENTICATION":
      return "Correct what it names: UNSTALE_KAFKA_SASL_* for a login, UNSTALE_KAFKA_SSL_* for certificates.";
    case "UNSTALE_KAFKA_FORBIDDEN":
      return "Give this user the rights listed in docs/security.md.";
    default:
      return `Check that ${brokers} is right and reachable from here, with TLS and SASL as the brokers want them.`;
  }
}

async function topicChecks(
  topic: string,
  topics: ReadonlyMap<string, number>,
  admin: KafkaAdmin,
): Promise<readonly CheckResult[]> {
  const name = `topic ${topic}`;
  const partitions = topics.get(topic);
  if (partitions === undefined) {
    return [
      fail(
        name,
        "does not exist, or this user may not see it; the worker waits for it",
        "Create it, or correct UNSTALE_KAFKA_TOPICS.",
      ),
    ];
  }
  const letters = deadLetterTopic(topic);
  const missing = warn(
    `topic ${letters}`,
    "does not exist",
    "Nothing, if the worker may create topics: it does so at its start. Else create it.",
  );
  return [ok(name, `${partitions} partitions`), topics.has(letters) ? await letterCheck(topic, admin) : missing];
}

/** Whose the group should be. Why Valkey does not say it is another check's business. */
async function ownerOf(store: Pick<CacheStore, "deployment">): Promise<string | undefined> {
  const record = await store.deployment().catch(() => undefined);
  return record !== undefined && "id" in record ? record.id : undefined;
}

async function groupCheck(admin: KafkaAdmin, group: string, owner: string | undefined): Promise<CheckResult> {
  const name = `group ${group}`;
  const start = 'Start a worker: "unstale run".';
  try {
    const { state, members } = await admin.describeGroup(group);
    const message = `${state}, ${members.length} members`;
    const strangers =
      state === "Stable" ? members.filter((member) => owner !== undefined && member.owner !== owner) : [];
    const first = strangers[0];
    if (first !== undefined) {
      const whom = first.owner === undefined ? "is no unstale of this version" : `works for deployment ${first.owner}`;
      return fail(
        name,
        `${message}; ${first.clientId} at ${first.host.replace(/^\//, "")} ${whom}, not for ${owner}`,
        "Give each deployment a group of its own (UNSTALE_KAFKA_GROUP_ID).",
      );
    }
    return members.length > 0 ? ok(name, message) : warn(name, message, start);
  } catch (error) {
    // A cluster that never had a group has no coordinator yet.
    return warn(name, `cannot be described: ${reasonOf(error)}`, start);
  }
}

async function withReader(
  config: Config,
  work: (reader: LogReading) => Promise<readonly (readonly CheckResult[])[]>,
): Promise<readonly CheckResult[]> {
  const reader = await createLogReader({ connection: kafkaConnection(config) });
  try {
    return (await work(reader)).flat();
  } finally {
    await reader.close();
  }
}

interface OffsetCheck {
  readonly admin: KafkaAdmin;
  readonly store: Pick<CacheStore, "heartbeat">;
  readonly topic: string;
  readonly group: string;
}

/** What a worker that took the partitions over now would find. */
async function offsetCheck({ admin, store, topic, group }: OffsetCheck): Promise<CheckResult> {
  const name = `offsets ${topic}`;
  const [bounds, committed] = await Promise.all([admin.bounds(topic), admin.committed(group, [topic])]);
  const partitions = bounds.map(({ partition }) => ({ topic, partition }));
  // Why Valkey does not answer is another check's business.
  const beat = await store.heartbeat({ bucket: 0, partitions }).catch(() => undefined);
  if (beat === undefined) return warn(name, "cannot be compared without Valkey", "Mend Valkey first.");
  if (beat.kind !== "alive") return fail(name, "the keys in Valkey are of a newer format", "Update this program.");
  const surprises: string[] = [];
  bounds.forEach(({ partition, low, end }, index) => {
    const offset = committed.find((each) => each.partition === partition)?.offset;
    const { reason } = decideStart({ committed: offset, low, end, applied: [beat.applied[index]] });
    if (reason !== "resumed" && reason !== "new") surprises.push(`${partition} ${reason}`);
  });
  if (surprises.length === 0) return ok(name, "log, group and Valkey agree");
  return warn(
    name,
    `log, group and Valkey disagree: ${surprises.join(", ")}`,
    "Nothing: a worker that starts replays or invalidates what it must. If it comes again, look for what loses state.",
  );
}
