import { wireFormat } from "./deployment.ts";
import { cacheError } from "./errors.ts";
import type { Keys } from "./keys.ts";
import type { SweepReply, SweepRequest } from "./store.ts";
import type { ServerConnection, ValkeyConnection } from "./valkey-connection.ts";
import { isMoving } from "./valkey-move.ts";
import { parseSweepCursor, sweepCursor } from "./valkey-replies.ts";

interface Parts {
  readonly connection: ValkeyConnection;
  readonly keys: Keys;
  readonly everyFence: readonly string[];
  /** Another one after a promotion; then a scan's cursor is void. */
  readonly replicationId: (server: ServerConnection) => Promise<number>;
}

type Buckets = ReadonlyMap<number, readonly string[]>;

/**
 * One step of a scan over all servers that hold buckets, one after the other: a server's SCAN meets the keys of all its
 * buckets, so they share it. A slot that moves to a server that was scanned already is missed. Where there is a cluster,
 * what is missed is unservable and expires; where everything must be met (H21), there is one server.
 */
export async function sweep(parts: Parts, { namespace, cursor, count }: SweepRequest): Promise<SweepReply> {
  const { connection, keys } = parts;
  const position = parseSweepCursor(cursor);
  const servers = (await connection.serversOf(parts.everyFence)).filter(({ name }) => name >= position.place);
  const [server, following] = servers;
  if (!server) return { kind: "swept", cursor: "0", scanned: 0, deleted: 0 };
  const from = server.name === position.place ? position.from : "0";
  const [answering, page] = await Promise.all([
    parts.replicationId(server),
    server.call("SCAN", from, "MATCH", keys.sweepPattern(namespace), "COUNT", count),
  ]);
  if (from !== "0" && position.server !== answering) {
    return { kind: "swept", cursor: sweepCursor(answering, "0", server.name), scanned: 0, deleted: 0 };
  }
  if (!isPage(page)) throw notAPage(page);
  const [next, found] = page;
  const buckets = byBucket(keys, found);
  const formats = await Promise.all([...buckets.keys()].map((bucket) => formatOf(parts, bucket)));
  if (formats.some((format) => format > wireFormat)) return { kind: "format" };
  const deleted = await deleteDead(parts, namespace, buckets);
  const after = following === undefined ? "0" : sweepCursor(0, "0", following.name);
  const onward = next === "0" ? after : sweepCursor(answering, next, server.name);
  return { kind: "swept", cursor: onward, scanned: found.length, deleted };
}

/** Entries only; version counters and whatever belongs to nobody of ours are left alone. */
function byBucket(keys: Keys, found: readonly string[]): Buckets {
  const buckets = new Map<number, string[]>();
  for (const key of found) {
    const bucket = keys.bucketOfKey(key);
    if (bucket === undefined || !keys.parseEntry(bucket, key)) continue;
    const others = buckets.get(bucket);
    if (others) others.push(key);
    else buckets.set(bucket, [key]);
  }
  return buckets;
}

/** Of the bucket's keys; 0 where that is lost. */
async function formatOf({ connection, keys }: Parts, bucket: number): Promise<number> {
  // Where Valkey is away the other commands say so.
  return Number((await connection.call("ZSCORE", keys.fence(bucket), " format").catch(() => null)) ?? 0);
}

async function deleteDead(parts: Parts, namespace: string | undefined, buckets: Buckets): Promise<number> {
  const { connection, keys } = parts;
  const deleted = await Promise.all(
    [...buckets].map(async ([bucket, entries]) => {
      const current = await connection.call("MGET", ...keys.versionCounters({ bucket, namespace }));
      if (!Array.isArray(current)) throw notAPage(current);
      // A key of the versions that are current now was written after the barrier: it stays.
      const now = current.join(".");
      const dead = entries.filter((key) => {
        const versions = keys.parseEntry(bucket, key)?.versions;
        return !versions || !`${versions}.`.startsWith(`${now}.`);
      });
      return unlink(connection, dead);
    }),
  );
  return deleted.reduce((sum, one) => sum + one, 0);
}

/** All of one slot. While the slot moves, some are here and some there: then each is asked for by itself. */
async function unlink(connection: ValkeyConnection, [first, ...rest]: readonly string[]): Promise<number> {
  if (first === undefined) return 0;
  try {
    return Number(await connection.call("UNLINK", first, ...rest));
  } catch (error) {
    if (rest.length === 0 || !isMoving(error)) throw error;
    const each = await Promise.all([first, ...rest].map((key) => connection.call("UNLINK", key)));
    return each.reduce<number>((sum, one) => sum + Number(one), 0);
  }
}

function isPage(reply: unknown): reply is [string, string[]] {
  return Array.isArray(reply) && typeof reply[0] === "string" && Array.isArray(reply[1]);
}

function notAPage(reply: unknown): Error {
  return cacheError("UNSTALE_VALKEY_REFUSED", `Valkey's reply to a scan is not understood: ${JSON.stringify(reply)}.`);
}
