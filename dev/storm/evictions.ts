import type { Redis } from "iovalkey";

/** Counts what Valkey evicts from a database, by kind of key. Only tests ask a server for such events. */
export class EvictionWatch {
  readonly #counts: Record<string, number> = {};

  /** Takes the client for itself. */
  static async start(client: Redis, database: number): Promise<EvictionWatch> {
    const watch = new EvictionWatch();
    await client.config("SET", "notify-keyspace-events", "Ee");
    client.on("message", (_channel: string, key: string) => watch.#count(kindOf(key)));
    await client.subscribe(`__keyevent@${database}__:evicted`);
    return watch;
  }

  get counts(): Readonly<Record<string, number>> {
    return this.#counts;
  }

  #count(kind: string): void {
    this.#counts[kind] = (this.#counts[kind] ?? 0) + 1;
  }
}

const kinds: readonly (readonly [prefix: string, kind: string])[] = [
  ["cache:version", "version counter"],
  ["cache:", "entry"],
  ["doc_deps:", "dependency set"],
  ["unstale:drain:", "drain set"],
  ["unstale:fill:", "fill lock"],
];

export function kindOf(key: string): string {
  return kinds.find(([prefix]) => key.startsWith(prefix))?.[1] ?? key.replace("unstale:", "");
}
