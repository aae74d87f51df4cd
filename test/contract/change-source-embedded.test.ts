import { createEmbeddedSource, createSubscriptions } from "../../consumers/index.ts";
import { changeSourceContract } from "./change-source.ts";

changeSourceContract("embedded", async () => {
  const topic = "cms.documents";
  const subscriptions = createSubscriptions([{ topic, format: "json", wide: false }]);
  const tuning = { retry: { baseMs: 1, maxMs: 5 } };
  const source = createEmbeddedSource({ subscriptions, tuning, answerMs: 1 });
  return {
    source,
    topic,
    send: async (...values) => {
      // Lines, as `curl --data-binary @file` sends them; answered at once, whether or not they could be applied.
      const response = await fetch(source.url, { method: "POST", body: values.join("\n") });
      await response.text();
    },
    deadLetters: async () => source.deadLetters.map(({ reason }) => reason),
    close: async () => {},
  };
});
