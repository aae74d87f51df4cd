import type { Config } from "../../config/index.ts";
import { createKafkaAdmin, createLogReader, type KafkaAdmin, type LogReading } from "../../consumers/index.ts";
import { kafkaConnection } from "../connections.ts";
import { workerError } from "../errors.ts";

/** What commands ask Kafka with. */
export interface KafkaTools {
  readonly admin: KafkaAdmin;
  readonly reader: LogReading;
}

/** Opens them, works, and closes them whatever happens. @throws UnstaleError `UNSTALE_USAGE` for an embedded worker */
export async function withKafka<T>(config: Config, work: (tools: KafkaTools) => Promise<T>): Promise<T> {
  if (config.embedded) throw workerError("UNSTALE_USAGE", "An embedded worker has no Kafka: its log is in its memory.");
  const connection = kafkaConnection(config);
  const admin = await createKafkaAdmin({ connection });
  try {
    const reader = await createLogReader({ connection });
    try {
      return await work({ admin, reader });
    } finally {
      await reader.close();
    }
  } finally {
    await admin.close();
  }
}

/** The configured topics, or the one that was named. @throws UnstaleError `UNSTALE_USAGE` for one that is not configured */
export function chosenTopics({ kafkaTopics }: Config, named: string | undefined): readonly string[] {
  const names = kafkaTopics.map(({ name }) => name);
  if (named === undefined) return names;
  if (names.includes(named)) return [named];
  throw workerError(
    "UNSTALE_USAGE",
    `--topic: expected one of the configured topics (${names.join(", ")}), got ${JSON.stringify(named)}.`,
  );
}
