import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { LedgerEvent } from "./ledger.ts";
import { until } from "./until.ts";

export type LoadMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "filled"; readonly indices: readonly number[]; readonly versions: readonly string[] }
  | {
      readonly kind: "sent";
      readonly partition: number;
      readonly indices: readonly number[];
      readonly first: number;
      readonly at: number;
    }
  | { readonly kind: "ended"; readonly sent: number };

export type LoadOrder =
  | { readonly kind: "begin"; readonly partitions: number }
  | { readonly kind: "change"; readonly partitions?: number; readonly rate?: number }
  | { readonly kind: "end" };

export interface LoadOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly valkeyUrl: string;
  readonly rate: number;
  readonly lead: number;
}

/** An entry's query, and the versions in its key. */
export interface CachedEntry {
  readonly query: string;
  readonly versions: readonly string[];
}

/** The load of a row, and the ledger that it fills. */
export class Load {
  readonly events: LedgerEvent[] = [];
  /** By document, the entries that were cached before its event was sent. */
  readonly entries = new Map<string, readonly CachedEntry[]>();
  readonly #topic: string;
  readonly #child: ChildProcess;
  #ready = false;
  #ended = false;

  constructor(options: LoadOptions) {
    this.#topic = options.topic;
    const program = fileURLToPath(new URL("./load-process.js", import.meta.url));
    this.#child = fork(program, [JSON.stringify(options)], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, KAFKAJS_NO_PARTITIONER_WARNING: "1" },
    });
    this.#child.on("message", (message) => this.#hear(message as LoadMessage));
  }

  async ready(): Promise<void> {
    await until("the load is ready", () => this.#ready);
  }

  begin(partitions: number): void {
    this.#order({ kind: "begin", partitions });
  }

  change(change: { readonly partitions?: number; readonly rate?: number }): void {
    this.#order({ kind: "change", ...change });
  }

  /** Resolves when that many more events were acknowledged than now. */
  async more(count: number): Promise<void> {
    const goal = this.events.length + count;
    await until(`${count} more events were sent`, () => this.events.length >= goal);
  }

  async end(): Promise<void> {
    if (this.#ended || this.#child.exitCode !== null) return;
    this.#order({ kind: "end" });
    await until("the load has ended", () => this.#ended);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  #order(order: LoadOrder): void {
    this.#child.send(order);
  }

  #hear(message: LoadMessage): void {
    if (message.kind === "ready") this.#ready = true;
    else if (message.kind === "ended") this.#ended = true;
    else if (message.kind === "filled") {
      const { versions } = message;
      for (const index of message.indices)
        this.entries.set(`article:${index}`, [{ query: `query:${index}`, versions }]);
    } else {
      const { partition, first, at } = message;
      message.indices.forEach((index, place) => {
        this.events.push({ id: `article:${index}`, topic: this.#topic, partition, offset: first + place, at });
      });
    }
  }
}
