import type { CacheStore } from "@unstale/cache-core";
import type { Config } from "../../config/index.ts";
import { createKafkaAdmin, deadLetterTopic, type KafkaAdmin } from "../../consumers/index.ts";
import { kafkaConnection } from "../connections.ts";
import { reasonOf } from "../errors.ts";
import { decideStart } from "../start-position.ts";
import { type CheckResult, fail, failure, ok, warn } from "./check.ts";

/** Reachability, topics, dead-letter topics, group, and whether log, group and Valkey agree about offsets. */
export async function kafkaChecks(
  config: Config,
  store: Pick<CacheStore, "heartbeat">,
): Promise<readonly CheckResult[]> {
  const brokers = config.kafkaBrokers.join(", ");
  let admin: KafkaAdmin;
  try {
    admin = await createKafkaAdmin({ connection: kafkaConnection(config) });
  } catch (error) {
    return [
      failure(
        "kafka",
        error,
        `Check that ${brokers} is right and reachable from here, with TLS and SASL as the brokers want them.`,
      ),
    ];
  }
  try {
    const cluster = await admin.describeCluster();
    const topics = await admin.listTopics();
    const reached = ok("kafka", `cluster ${cluster.clusterId} with ${cluster.brokers} brokers, by ${brokers}`);
    const existing = config.kafkaTopics.map(({ name }) => name).filter((name) => topics.has(name));
    return [
      reached,
      ...config.kafkaTopics.flatMap(({ name }) => topicChecks(name, topics)),
      await groupCheck(admin, config.kafkaGroupId),
      ...(await Promise.all(existing.map((topic) => offsetCheck({ admin, store, topic, group: config.kafkaGroupId })))),
    ];
  } catch (error) {
    return [failure("kafka", error, "Let this user describe the cluster, its topics and the group.")];
  } finally {
    await admin.close();
  }
}

function topicChecks(topic: string, topics: ReadonlyMap<string, number>): readonly CheckResult[] {
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
  return [
    ok(name, `${partitions} partitions`),
    topics.has(letters)
      ? ok(`topic ${letters}`, "exists")
      : warn(
          `topic ${letters}`,
          "does not exist",
          "Nothing, if the worker may create topics: it does so at its start. Else create it.",
        ),
  ];
}

async function groupCheck(admin: KafkaAdmin, group: string): Promise<CheckResult> {
  const name = `group ${group}`;
  const start = 'Start a worker: "unstale run".';
  try {
    const { state, members } = await admin.describeGroup(group);
    const message = `${state}, ${members.length} members`;
    return members.length > 0 ? ok(name, message) : warn(name, message, start);
  } catch (error) {
    // A cluster that never had a group has no coordinator yet.
    return warn(name, `cannot be described: ${reasonOf(error)}`, start);
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
  let behind = 0n;
  const surprises: string[] = [];
  bounds.forEach(({ partition, low, end }, index) => {
    const offset = committed.find((each) => each.partition === partition)?.offset;
    behind += end - (offset ?? low);
    const { reason } = decideStart({ committed: offset, low, end, applied: [beat.applied[index]] });
    if (reason !== "resumed" && reason !== "new") surprises.push(`${partition} ${reason}`);
  });
  const message = `${behind} records not committed`;
  if (surprises.length === 0) return ok(name, message);
  return warn(
    name,
    `${message}; log, group and Valkey disagree: ${surprises.join(", ")}`,
    "Nothing: a worker that starts replays or invalidates what it must. If it comes again, look for what loses state.",
  );
}
