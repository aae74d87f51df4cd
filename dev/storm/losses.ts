import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "iovalkey";
import { randomOf } from "../random.ts";
import { kindOf } from "./evictions.ts";

const everyMs = 500;

const systemKeys: readonly string[] = [
  "unstale:fence",
  "unstale:versions",
  "unstale:state",
  "unstale:draining",
  "unstale:config",
  "unstale:fresh",
  "cache:version",
  "cache:version:docs",
  "cache:version:docs:technical",
];

/** Takes away what an eviction hardly ever meets, because it is always warm: one system key after the other. */
export class Losses {
  readonly #counts: Record<string, number> = {};
  readonly #losing: Promise<void>;
  #going = true;

  constructor(client: Redis, seed: number) {
    this.#losing = this.#lose(client, randomOf(seed));
    this.#losing.catch(() => {});
  }

  get counts(): Readonly<Record<string, number>> {
    return this.#counts;
  }

  async stop(): Promise<void> {
    this.#going = false;
    await this.#losing;
  }

  async #lose(client: Redis, random: () => number): Promise<void> {
    while (this.#going) {
      await delay(everyMs);
      const key = systemKeys[Math.floor(random() * systemKeys.length)] ?? "unstale:fence";
      if ((await client.unlink(key)) === 0) continue;
      this.#counts[kindOf(key)] = (this.#counts[kindOf(key)] ?? 0) + 1;
    }
  }
}
