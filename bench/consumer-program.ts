// A consumer in a process of its own, started by the benches. `raw`: takes records and does nothing. `plain`: eachMessage,
// one document after the other. Says "ready" when it has partitions, and how many records it has had when asked.
import { createRequire } from "node:module";
import type { EachBatchPayload } from "kafkajs";
import { Redis } from "./client.ts";
import { plainInvalidate } from "./plain.ts";

const { Kafka, logLevel }: typeof import("kafkajs") = createRequire(import.meta.url)("kafkajs");

const [kind = "", brokers = "", topic = "", groupId = "", valkeyUrl = ""] = process.argv.slice(2);
let count = 0;
const kafka = new Kafka({ clientId: groupId, brokers: brokers.split(","), logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 500 });
process.on("message", () => process.send?.({ count }));
process.on("disconnect", () => process.exit());
consumer.on(consumer.events.GROUP_JOIN, () => process.send?.("ready"));
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
if (kind === "raw") {
  await consumer.run({
    eachBatch: async ({ batch }: EachBatchPayload) => {
      count += batch.messages.length;
    },
  });
} else {
  const store = new Redis(valkeyUrl);
  await consumer.run({
    eachMessage: async ({ message }) => {
      const event: { id: string } = JSON.parse(String(message.value));
      await plainInvalidate(store, [event.id]);
      count += 1;
    },
  });
}
