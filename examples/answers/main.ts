// node dist/examples/answers/main.js "What does the Alder desk lamp cost?"
// node dist/examples/answers/main.js --after cms.documents:0:17 "What does the Alder desk lamp cost?"
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { SmartCache } from "@unstale/cache-core";
import { createAnswers } from "./answers.ts";

const { UNSTALE_VALKEY_URL = "redis://127.0.0.1:6379", SITE_FOLDER = "examples/site" } = process.env;
const { values, positionals } = parseArgs({ options: { after: { type: "string" } }, allowPositionals: true });
const question = positionals.join(" ") || "What does the Alder desk lamp cost?";

const cache = new SmartCache({ valkey: UNSTALE_VALKEY_URL });
const answers = createAnswers({ cache, folder: resolve(SITE_FOLDER) });
const { response, status, sources } = await answers.ask(question, values);
console.log(`${response}\n(${status}; built from ${sources.join(", ")})`);
await cache.close();
