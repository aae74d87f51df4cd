// node dist/examples/publisher/main.js examples/site
import { resolve } from "node:path";
import { connectKafkaSender } from "./kafka-sender.ts";
import { startPublisher } from "./publisher.ts";

const { UNSTALE_KAFKA_BROKERS = "127.0.0.1:9092", UNSTALE_KAFKA_TOPICS = "cms.documents" } = process.env;
const folder = resolve(process.argv[2] ?? "examples/site");

const topic = UNSTALE_KAFKA_TOPICS;
const kafka = await connectKafkaSender({ brokers: UNSTALE_KAFKA_BROKERS.split(","), topic });
const publisher = await startPublisher({
  folder,
  send: kafka.send,
  onPublished: ({ change, record, position: { partition, offset } }) =>
    console.log(`${change.file}: ${record.value} (to see it at once: --after ${topic}:${partition}:${offset})`),
});
console.log(`Watching ${folder}; saved pages are published to ${topic}. Ctrl-C ends.`);

process.once("SIGINT", async () => {
  await publisher.close();
  await kafka.close();
});
