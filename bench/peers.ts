// Other caches of Node with tags or dependencies. They are no dependencies of ours: a run that compares with them fetches
// them once, without their install scripts, into the folder where the services are kept too.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { cached, cacheFolder } from "../dev/services/cache-folder.ts";
import { runTool } from "../dev/services/run-tool.ts";
import type { Lab } from "./bench.ts";

export interface Peer {
  readonly name: string;
  set(key: string, value: string, tags: readonly string[]): Promise<unknown>;
  /** The value, or something falsy. */
  get(key: string): Promise<unknown>;
  invalidate(tag: string): Promise<unknown>;
  close(): Promise<unknown>;
}

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

/** Each as its documentation sets it up, on Valkey alone: what lies in the memory of one process is another comparison. */
const program = `
import { BentoCache, bentostore } from "bentocache";
import { redisDriver } from "bentocache/drivers/redis";
import { Cacheable } from "cacheable";
import KeyvValkey from "@keyv/valkey";
import { Keyv } from "keyv";
import dedupe from "async-cache-dedupe";
import { createRedisCache } from "@envelop/response-cache-redis";
import { Redis } from "ioredis";

export function openPeers(host, port) {
  const bento = new BentoCache({
    default: "one",
    stores: { one: bentostore().useL2Layer(redisDriver({ connection: { host, port } })) },
  });
  const cacheable = new Cacheable({ tags: true, primary: new Keyv({ store: new KeyvValkey("redis://" + host + ":" + port) }) });
  const client = new Redis({ host, port });
  const storage = dedupe.createStorage("redis", { client, invalidation: { referencesTTL: 3600 } });
  const other = new Redis({ host, port });
  const envelop = createRedisCache({ redis: other });
  return [
    {
      name: "bentocache",
      set: (key, value, tags) => bento.set({ key, value, tags, ttl: "1h" }),
      get: (key) => bento.get({ key }),
      invalidate: (tag) => bento.deleteByTag({ tags: [tag] }),
      close: () => bento.disconnectAll(),
    },
    {
      name: "cacheable",
      set: (key, value, tags) => cacheable.set(key, value, { ttl: 3_600_000, tags }),
      get: (key) => cacheable.get(key),
      invalidate: (tag) => cacheable.tags.invalidateTag(tag),
      close: () => cacheable.disconnect(),
    },
    {
      name: "async-cache-dedupe",
      set: (key, value, tags) => storage.set(key, value, 3600, tags),
      get: (key) => storage.get(key),
      invalidate: (tag) => storage.invalidate([tag]),
      close: async () => client.disconnect(),
    },
    {
      name: "envelop",
      set: (key, value, tags) => envelop.set(key, { data: value }, tags.map((id) => ({ typename: "Doc", id })), 3_600_000),
      get: async (key) => (await envelop.get(key))?.data,
      invalidate: (id) => envelop.invalidate([{ typename: "Doc", id }]),
      close: async () => other.disconnect(),
    },
  ];
}
`;

/** The peers, or none where they cannot be fetched. */
export async function openPeers(lab: Lab, port: number): Promise<readonly Peer[]> {
  const folder = await cached({
    folder: cacheFolder(process.env),
    item: "bench-peers-1",
    progress: (line) => lab.say(line),
    build: async (partial) => {
      lab.say("fetching the peers …");
      await writeFile(join(partial, "package.json"), '{"private":true,"type":"module"}');
      await writeFile(join(partial, "peers.js"), program);
      const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
      await runTool({ command: "npm", args: ["install", ...quiet, ...packages], cwd: partial });
    },
  }).catch((error: Error) => {
    lab.say(`without peers: ${error.message}`);
    return undefined;
  });
  if (folder === undefined) return [];
  const module: unknown = await import(pathToFileURL(join(folder, "peers.js")).href);
  if (!isPeers(module)) throw new Error(`${folder} holds something else; remove it.`);
  const peers = module.openPeers("127.0.0.1", port);
  for (const peer of peers) lab.onEnd(() => peer.close().then(() => undefined));
  return peers;
}

function isPeers(module: unknown): module is { openPeers(host: string, port: number): Peer[] } {
  return typeof module === "object" && module !== null && "openPeers" in module;
}

/** What anybody expects of a cache with tags: a hit, and after an invalidation none. */
export async function peerWorks(peer: Peer): Promise<boolean> {
  await peer.set("works", "yes", ["tag:works"]);
  if ((await peer.get("works")) !== "yes") return false;
  await peer.invalidate("tag:works");
  return !(await peer.get("works"));
}
