// Other caches of Node with tags or dependencies. They are no dependencies of ours: a run that compares with them fetches
// them once, without their install scripts, into the folder where the services are kept too.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cached, cacheFolder } from "../services/cache-folder.ts";
import type { Progress } from "../services/index.ts";
import { runTool } from "../services/run-tool.ts";

const packages = [
  "bentocache@1.6.1",
  "cacheable@2.5.0",
  "keyv@5.6.0",
  "@keyv/valkey@1.0.11",
  "async-cache-dedupe@3.4.0",
  "@envelop/response-cache-redis@4.2.4",
  "@envelop/response-cache@9.3.1",
  "@envelop/core@5.6.1",
  "graphql@16.15.0",
  "ioredis@5.11.1",
];

/** Beside the packages, so that their names mean something; what is done with them is ours and typed. */
const program = `
export { BentoCache, bentostore } from "bentocache";
export { redisDriver } from "bentocache/drivers/redis";
export { Cacheable } from "cacheable";
export { default as KeyvValkey } from "@keyv/valkey";
export { Keyv } from "keyv";
export { default as asyncCacheDedupe } from "async-cache-dedupe";
export { createRedisCache } from "@envelop/response-cache-redis";
export { useResponseCache } from "@envelop/response-cache";
export { envelop, useEngine, useSchema } from "@envelop/core";
export * as graphql from "graphql";
export { Redis } from "ioredis";
`;

/** The folder of the packages; its `peers.js` exports all of them. Undefined where they cannot be fetched. */
export function fetchPeers(progress: Progress): Promise<string | undefined> {
  return cached({
    folder: cacheFolder(process.env),
    item: "peers-2",
    progress,
    build: async (partial) => {
      progress("fetching the peers …");
      await writeFile(join(partial, "package.json"), '{"private":true,"type":"module"}');
      await writeFile(join(partial, "peers.js"), program);
      const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
      await runTool({ command: "npm", args: ["install", ...quiet, ...packages], cwd: partial });
    },
  }).catch((error: Error) => {
    progress(`without peers: ${error.message}`);
    return undefined;
  });
}
