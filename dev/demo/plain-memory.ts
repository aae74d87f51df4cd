import type { PlainStore } from "./plain-worker.ts";

/** The commands that the plain worker needs, in memory. TTLs are left out: the demo is over before one ends. */
export function createPlainMemory(): PlainStore {
  const hashes = new Map<string, Map<string, string>>();
  const sets = new Map<string, Set<string>>();
  const commands: Record<string, (key: string, rest: readonly string[]) => void> = {
    hset(key, rest) {
      const hash = hashes.get(key) ?? new Map<string, string>();
      for (let at = 0; at < rest.length; at += 2) hash.set(rest[at] ?? "", rest[at + 1] ?? "");
      hashes.set(key, hash);
    },
    sadd: (key, members) => void sets.set(key, new Set([...(sets.get(key) ?? []), ...members])),
    srem(key, members) {
      for (const member of members) sets.get(key)?.delete(member);
    },
    del(key, others) {
      for (const one of [key, ...others]) hashes.delete(one);
    },
    expire: () => {},
  };
  return {
    hget: async (key, field) => hashes.get(key)?.get(field) ?? null,
    smembers: async (key) => [...(sets.get(key) ?? [])],
    multi: (list) => ({
      async exec() {
        for (const [name, key, ...rest] of list) commands[name]?.(String(key), rest.map(String));
      },
    }),
  };
}
