import type { Clock } from "@unstale/cache-core";
import type { Random } from "./backoff.ts";
import type { Decoded, SourceRecord } from "./change-event.ts";
import type { ChangeHandlers, Partition } from "./change-source.ts";
import type { DeadLetters } from "./dead-letter.ts";
import type { Log } from "./log.ts";
import type { RecordBatch } from "./slices.ts";
import type { Tuning } from "./tuning.ts";

/** Where the records come from. A paused feed delivers nothing. */
export interface Feed {
  pause(): void;
  /** Delivers from `offset` on. */
  resume(offset: bigint): void;
}

export interface Delivery {
  readonly batch: RecordBatch;
  /** Asked before each slice. */
  readonly goOn: () => boolean;
  /** Records below `next` need not be delivered again, unless the run asks for them. */
  readonly onTaken: (next: bigint) => void;
}

export interface PartitionRunOptions {
  readonly partition: Partition;
  readonly feed: Feed;
  readonly handlers: ChangeHandlers;
  readonly decode: (record: SourceRecord) => Decoded;
  readonly deadLetters: DeadLetters;
  readonly tuning: Tuning;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** There may be something to commit. */
  readonly onSettled: () => void;
}
