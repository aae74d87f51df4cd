import { jest } from "@jest/globals";
import { deadLetterTopic } from "../../consumers/index.ts";
import { changeSourceContract } from "../contract/change-source.ts";
import { openKafkaScene } from "../support/kafka-scene.ts";
import { describeWith } from "../support/services.ts";

jest.setTimeout(60_000);

describeWith(["kafka"], "on a real Kafka", () => {
  changeSourceContract("Kafka", async () => {
    const scene = await openKafkaScene();
    return {
      source: scene.source(),
      topic: scene.topic,
      send: (...values) => scene.send(values),
      deadLetters: async () => {
        const [end] = await scene.admin.fetchTopicOffsets(deadLetterTopic(scene.topic));
        const letters = await scene.deadLetters(Number(end?.high ?? 0));
        return letters.map(({ headers }) => String(headers?.["unstale-reason"]));
      },
      close: () => scene.close(),
    };
  });
});
