import { createKeys, defaultLayout } from "@unstale/cache-core";
import { Redis } from "iovalkey";

export const keys = createKeys(defaultLayout);

/** A connection for the row's own questions; fails at once instead of queueing while the server is away. */
export function connectTool(url: string): Redis {
  const client = new Redis(url, { maxRetriesPerRequest: 1, retryStrategy: () => 50, commandTimeout: 10_000 });
  client.on("error", () => {});
  return client;
}

/** What Valkey says was applied of each partition. */
export async function appliedOffsets(valkey: Redis, topic: string): Promise<ReadonlyMap<number, number>> {
  const state = await valkey.hgetall(keys.state(0));
  const prefix = keys.appliedField({ topic, partition: 0 }).slice(0, -1);
  const fields = Object.entries(state).filter(([field]) => field.startsWith(prefix));
  return new Map(fields.map(([field, offset]) => [Number(field.slice(prefix.length)), Number(offset)]));
}
