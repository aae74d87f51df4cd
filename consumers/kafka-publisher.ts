import { createKafkaClient } from "./kafka-client.ts";
import type { LogReader } from "./kafka-reader.ts";
import type { KafkaAdminClient, KafkaConnection, RecordSender } from "./kafka-types.ts";
import { type Log, silentLog } from "./log.ts";

export interface ChangeProducer extends RecordSender {
  /** Idempotent, never rejects. */
  close(): Promise<void>;
}

export interface KafkaToolOptions {
  readonly connection: KafkaConnection;
  readonly log?: Log | undefined;
}

/**
 * Sends records and waits until all in-sync replicas have them. `send` resolves to the offset of the first record of each
 * partition it wrote to.
 * @throws UnstaleError `UNSTALE_KAFKA_UNREACHABLE`, `_AUTHENTICATION`, `_OPTIONS`; later also `_TOO_LARGE`, `_FORBIDDEN`
 */
export async function createChangeProducer({ connection, log }: KafkaToolOptions): Promise<ChangeProducer> {
  const client = createKafkaClient({ connection, log: log ?? silentLog, retries: connection.brokers.length + 1 });
  const producer = client.producer();
  const close = async (): Promise<void> => {
    await producer.disconnect().catch(() => {});
    client.destroy();
  };
  try {
    await producer.connect();
  } catch (error) {
    await close();
    throw error;
  }
  return { send: (topic, records) => producer.send(topic, records), close };
}

export interface KafkaAdmin extends Omit<KafkaAdminClient, "connect" | "disconnect"> {
  /** Idempotent, never rejects. */
  close(): Promise<void>;
}

/** Questions about topics, groups and offsets, for the command line. Fails within seconds when nobody answers. */
export async function createKafkaAdmin({ connection, log }: KafkaToolOptions): Promise<KafkaAdmin> {
  const client = createKafkaClient({ connection, log: log ?? silentLog, retries: connection.brokers.length });
  const admin = client.admin();
  const close = async (): Promise<void> => {
    await admin.disconnect().catch(() => {});
    client.destroy();
  };
  try {
    await admin.connect();
  } catch (error) {
    await close();
    throw error;
  }
  return { ...admin, close };
}

export interface LogReading extends Pick<LogReader, "read"> {
  /** Idempotent, never rejects. */
  close(): Promise<void>;
}

/** Reads logs beside every group, for the command line. */
export async function createLogReader({ connection, log }: KafkaToolOptions): Promise<LogReading> {
  const client = createKafkaClient({ connection, log: log ?? silentLog, retries: connection.brokers.length });
  const reader = client.reader();
  const close = async (): Promise<void> => {
    await reader.disconnect().catch(() => {});
    client.destroy();
  };
  try {
    await reader.connect();
  } catch (error) {
    await close();
    throw error;
  }
  return { read: (range) => reader.read(range), close };
}
