// The plain schema as everybody writes it first, in two qualities: command by command, and pipelined.
import type { Redis } from "./client.ts";
import { chunksOf } from "./load.ts";

export interface PlainEntry {
  readonly key: string;
  readonly query: string;
  readonly response: string;
  readonly sources: readonly string[];
}

/** HSET, EXPIRE and one SADD for each source in one round trip; not atomic, not fenced. */
export async function plainWrite(client: Redis, { key, query, response, sources }: PlainEntry): Promise<void> {
  const pipeline = client.pipeline();
  pipeline.hset(key, "query", query, "response", response, "sources", JSON.stringify(sources));
  pipeline.expire(key, 3_600);
  for (const source of sources) pipeline.sadd(`doc_deps:${source}`, key);
  await pipeline.exec();
}

/** SMEMBERS, DEL, DEL: one document after the other. */
export async function plainInvalidate(client: Redis, documents: readonly string[]): Promise<void> {
  for (const id of documents) {
    const keys = await client.smembers(`doc_deps:${id}`);
    if (keys.length > 0) await client.del(keys);
    await client.del(`doc_deps:${id}`);
  }
}

/** All SMEMBERS of a batch in one round trip, all deletions in another. */
export async function plainInvalidateBatch(client: Redis, documents: readonly string[]): Promise<void> {
  const sets = documents.map((id) => `doc_deps:${id}`);
  const asking = client.pipeline();
  for (const set of sets) asking.smembers(set);
  const replies = (await asking.exec()) ?? [];
  const members = replies.flatMap(([, reply]) => (Array.isArray(reply) ? reply.map(String) : []));
  await unlink(client, [...members, ...sets]);
}

/** The same keys, known beforehand: nothing that deletes them can be faster. */
export async function unlink(client: Redis, keys: readonly string[]): Promise<void> {
  const pipeline = client.pipeline();
  for (const chunk of chunksOf(keys, 1_000)) pipeline.unlink(...chunk);
  await pipeline.exec();
}
