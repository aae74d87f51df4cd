// The plain schema as everybody writes it first: command by command, and with MULTI around each write and each deletion.
import { createHash } from "node:crypto";
import { Redis } from "iovalkey";
import type { Question } from "../plan.ts";
import type { Answer, Contestant, ContestantOptions } from "./contestant.ts";

export function openPlain(options: ContestantOptions): Contestant {
  return open(options, async (client, commands) => {
    for (const [name, ...words] of commands) await client.call(name, ...words);
  });
}

export function openMulti(options: ContestantOptions): Contestant {
  return open(options, async (client, commands) => {
    const transaction = client.multi();
    for (const [name, ...words] of commands) transaction.call(name, ...words);
    const replies = await transaction.exec();
    for (const [error] of replies ?? []) if (error) throw error;
  });
}

type Command = readonly [name: string, ...words: string[]];
type Run = (client: Redis, commands: readonly Command[]) => Promise<void>;

function open({ host, port, database }: ContestantOptions, run: Run): Contestant {
  const client = new Redis({ host, port, db: database });
  return {
    answer: (question, fill) => answer({ client, run }, question, fill),
    invalidate: async (documents) => {
      for (const document of documents) {
        const set = `doc_deps:${document}`;
        const keys = await client.smembers(set);
        await run(
          client,
          keys.length === 0
            ? [["DEL", set]]
            : [
                ["DEL", ...keys],
                ["DEL", set],
              ],
        );
      }
    },
    wipe: (namespace) => client.incr(namespace === undefined ? "cache:version" : `cache:version:${namespace}`),
    close: async () => client.disconnect(),
  };
}

interface Tools {
  readonly client: Redis;
  readonly run: Run;
}

async function answer({ client, run }: Tools, question: Question, fill: () => Promise<Answer>): Promise<Answer> {
  const key = await keyOf(client, question);
  const kept = await client.hget(key, "response");
  if (kept !== null) return JSON.parse(kept);
  const fresh = await fill();
  const { name, allDocuments } = question;
  await run(client, [
    ["HSET", key, "query", name, "response", JSON.stringify(fresh), "sources", JSON.stringify(allDocuments)],
    ["EXPIRE", key, "3600"],
    ...allDocuments.map((document): Command => ["SADD", `doc_deps:${document}`, key]),
  ]);
  return fresh;
}

async function keyOf(client: Redis, { name, namespace }: Question): Promise<string> {
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 16);
  const levels = (namespace ?? "").split(":").filter((level) => level !== "");
  const counters = levels.map((_, at) => `cache:version:${levels.slice(0, at + 1).join(":")}`);
  const versions = await client.mget("cache:version", ...counters);
  const tag = `v${versions.map((version) => version ?? "0").join(".")}`;
  return namespace === undefined ? `cache:${tag}:${hash}` : `cache:${namespace}:${tag}:${hash}`;
}
