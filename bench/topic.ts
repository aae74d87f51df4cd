import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import type { Producer } from "kafkajs";
import type { Lab } from "./bench.ts";

const { Kafka, logLevel, Partitioners }: typeof import("kafkajs") = createRequire(import.meta.url)("kafkajs");

export interface Topic {
  readonly name: string;
  readonly brokers: readonly string[];
  /** Change events of these documents, spread evenly over the partitions. Resolves when Kafka has them. */
  produce(documents: readonly string[]): Promise<void>;
}

export async function createTopic(lab: Lab, partitions: number): Promise<Topic> {
  const brokers = await lab.brokers();
  const name = `bench-${randomBytes(4).toString("hex")}`;
  const kafka = new Kafka({ clientId: "bench", brokers: [...brokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    topics: [{ topic: name, numPartitions: partitions, replicationFactor: 1 }],
    waitForLeaders: true,
  });
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
  });
  await producer.connect();
  lab.onEnd(async () => {
    await producer.disconnect();
    await admin.deleteTopics({ topics: [name] }).catch(() => undefined);
    await admin.disconnect();
  });
  let next = 0;
  return {
    name,
    brokers,
    produce: (documents) => {
      const first = next;
      next += documents.length;
      return send(producer, { name, partitions, first, documents });
    },
  };
}

interface Batch {
  readonly name: string;
  readonly partitions: number;
  readonly first: number;
  readonly documents: readonly string[];
}

async function send(producer: Producer, { name, partitions, first, documents }: Batch): Promise<void> {
  const step = 5_000;
  for (let from = 0; from < documents.length; from += step) {
    const messages = documents.slice(from, from + step).map((id, at) => ({
      value: JSON.stringify({ id }),
      partition: (first + from + at) % partitions,
    }));
    await producer.send({ topic: name, messages });
  }
}
