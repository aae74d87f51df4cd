import { Kafka, logLevel, Partitioners } from "kafkajs";
import type { ChangeRecord, LogPosition } from "./publisher.ts";

export interface KafkaSender {
  send(record: ChangeRecord): Promise<LogPosition>;
  close(): Promise<void>;
}

export async function connectKafkaSender({
  brokers,
  topic,
}: {
  readonly brokers: readonly string[];
  readonly topic: string;
}): Promise<KafkaSender> {
  const kafka = new Kafka({ clientId: "publisher", brokers: [...brokers], logLevel: logLevel.WARN });
  // For trying things out; where somebody else owns the topics, leave this to them.
  const admin = kafka.admin();
  await admin.connect();
  if (!(await admin.listTopics()).includes(topic)) {
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 3 }] });
  }
  await admin.disconnect();
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  return {
    async send(record) {
      const [sent] = await producer.send({ topic, acks: -1, messages: [record] });
      if (!sent) throw new Error(`Expected Kafka to say where the record for ${record.key} is, it did not.`);
      return { partition: sent.partition, offset: BigInt(sent.baseOffset ?? "-1") };
    },
    close: () => producer.disconnect(),
  };
}
