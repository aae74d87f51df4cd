import type { KafkaAdminClient } from "./kafka-types.ts";
import type { Log } from "./log.ts";
import { deadLetterTopic } from "./subscriptions.ts";

export function waitingFor(topics: readonly string[]): string {
  return topics.length === 1 ? `topic ${topics[0]} does not exist` : `none of the topics ${topics.join(", ")} exists`;
}

/** Creates `<topic>.dlq` where it is missing; where that is forbidden, a warning. Never rejects. */
export async function createDeadLetterTopics(
  topics: readonly string[],
  existing: ReadonlyMap<string, number>,
  { admin, log }: { readonly admin: Pick<KafkaAdminClient, "createTopics">; readonly log: Log },
): Promise<void> {
  const missing = topics.map(deadLetterTopic).filter((topic) => !existing.has(topic));
  if (missing.length === 0) return;
  try {
    await admin.createTopics(missing.map((topic) => ({ topic, partitions: 1 })));
  } catch (error) {
    log.warn({ err: error, topics: missing }, "dead-letter topics are missing and could not be created");
  }
}
