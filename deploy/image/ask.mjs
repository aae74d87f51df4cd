// node ask.mjs [question]...: asks every second, as users do, and says what the cache did whenever the answer is another
// one. `answers.ask` is examples/answers/answers.ts, the part to copy.
import { env } from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { SmartCache } from "@unstale/cache-core";
import { createAnswers } from "./dist/examples/answers/answers.js";

const { UNSTALE_VALKEY_URL = "redis://127.0.0.1:6379", SITE_FOLDER = "/site" } = env;
const given = process.argv.slice(2);
const questions = given.length > 0 ? given : ["What does the Alder desk lamp cost?", "When do orders ship for free?"];

const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stopping.abort());

const cache = new SmartCache({ valkey: UNSTALE_VALKEY_URL });
const answers = createAnswers({ cache, folder: SITE_FOLDER });
const before = new Map();
let hits = 0;

while (!stopping.signal.aborted) {
  for (const question of questions) {
    const { response, status } = await answers.ask(question);
    if (status === "hit") hits += 1;
    if (before.get(question) === response && status === "hit") continue;
    const how = before.get(question) === response ? "the same again" : "NEW";
    console.log(`${status.padEnd(8)} ${how}: ${response} (after ${hits} hits)`);
    before.set(question, response);
    hits = 0;
  }
  await delay(1_000, undefined, { signal: stopping.signal }).catch(() => {});
}
await cache.close();
