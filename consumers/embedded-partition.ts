import type { AssignedPartition, Gap } from "./change-source.ts";
import { MemoryLog } from "./memory-log.ts";
import { PartitionRun } from "./partition-run.ts";
import type { PartitionRunOptions } from "./partition-run-options.ts";
import { Pulse } from "./pulse.ts";

export interface EmbeddedPartitionOptions extends Omit<PartitionRunOptions, "partition" | "feed" | "onSettled"> {
  readonly topic: string;
  readonly keep: number;
}

/** A log in memory, and the run that delivers it. */
export class EmbeddedPartition {
  readonly log: MemoryLog;
  readonly run: PartitionRun;
  readonly #options: EmbeddedPartitionOptions;
  readonly #pulse = new Pulse();
  #committed = 0n;
  #feeding = false;
  #paused = true;

  constructor(options: EmbeddedPartitionOptions) {
    this.#options = options;
    this.log = new MemoryLog(options.topic, options.keep);
    this.run = new PartitionRun({
      ...options,
      partition: { topic: options.topic, partition: 0 },
      feed: {
        pause: () => {
          this.#paused = true;
        },
        resume: (offset) => {
          this.#paused = false;
          if (offset < this.log.low) void this.run.gap(this.#forgotten(offset));
          else void this.#feed();
        },
      },
      onSettled: () => this.commit(),
    });
    this.run.ended.addEventListener("abort", () => this.#pulse.beat(), { once: true });
  }

  get committed(): bigint {
    return this.#committed;
  }

  commit(): void {
    const offset = this.run.committable;
    if (offset === undefined) return;
    this.#committed = offset;
    this.run.committed(offset);
    this.log.trim(offset);
    this.#options.handlers.onNotice({ kind: "committed", offsets: [{ ...this.run.partition, offset }] });
  }

  /** Asks the handlers where to begin, until they say so. */
  async assign(): Promise<void> {
    for (let attempt = 1; this.run.state === "assigning"; attempt += 1) {
      const assigned: AssignedPartition = { ...this.run.partition, low: this.log.low, end: this.log.end };
      try {
        const [start] = await this.#options.handlers.onAssigned([assigned]);
        this.run.begin(start?.offset ?? this.log.low);
      } catch (error) {
        await this.run.pauseFor(attempt, error);
      }
    }
  }

  /** Whether everything below `next` was applied: false when the run closed before. */
  async applied(next: bigint): Promise<boolean> {
    void this.#feed();
    await this.#pulse.until(() => this.run.closed || this.run.position >= next);
    return this.run.position >= next;
  }

  #forgotten(from: bigint): Gap {
    return { partition: this.run.partition, from, to: this.log.low, cause: "retention" };
  }

  async #feed(): Promise<void> {
    if (this.#feeding) return;
    this.#feeding = true;
    while (!this.#paused && this.run.position < this.log.end) {
      await this.run.deliver({
        batch: this.log.from(this.run.position),
        goOn: () => true,
        onTaken: () => this.#pulse.beat(),
      });
      this.#pulse.beat();
    }
    this.#feeding = false;
  }
}
