// What happened, one JSON object a line, one file for each process. Times are `moment()`: microseconds that all processes
// share. The checker reads nothing else.
import { closeSync, createReadStream, openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";

/** An answer that somebody was given. */
export interface ReadRecord {
  readonly kind: "read";
  readonly by: string;
  readonly query: string;
  readonly began: number;
  readonly ended: number;
  /** The asker's own fill did not run: the answer was kept, or somebody else's. */
  readonly hit: boolean;
  /** What the answer says about itself: which question, at which version each document was read, and when the fill began. */
  readonly says: string;
  readonly versions: Readonly<Record<string, number>>;
  readonly from: number;
  /** Asked in the last pass, when nothing changed any more. */
  readonly last?: true;
  /** Written by a program without leases: its number in the writer's own records. */
  readonly foreign?: string;
}

/** A change: first of the document, then told to Kafka. */
export interface EditRecord {
  readonly kind: "edit";
  readonly document: string;
  readonly version: number;
  /** Before the document was changed. */
  readonly at: number;
  /** Kafka had the event. */
  readonly produced: number;
  readonly partition: number;
  readonly offset: number;
}

/** A request to void a namespace, or everything. */
export interface WipeRecord {
  readonly kind: "wipe";
  /** Absent: everything. */
  readonly namespace?: string;
  readonly at: number;
  readonly partition: number;
  readonly offset: number;
}

/** From `at` on, all offsets of the partition below `next` count as done. */
export interface AcknowledgementRecord {
  readonly kind: "acknowledged";
  readonly by: string;
  readonly partition: number;
  readonly next: number;
  readonly at: number;
}

/** A program without leases has written an answer: its last SADD was answered at `at`. */
export interface ForeignWriteRecord {
  readonly kind: "foreign";
  readonly id: string;
  readonly at: number;
}

/** Something that is only counted, such as a refused write or a call that failed. */
export interface CountRecord {
  readonly kind: "count";
  readonly by: string;
  readonly what: string;
  readonly times: number;
}

export type HistoryRecord =
  | ReadRecord
  | EditRecord
  | WipeRecord
  | AcknowledgementRecord
  | ForeignWriteRecord
  | CountRecord;

const flushAt = 500;

export class HistoryFile {
  readonly #file: number;
  #lines: string[] = [];

  constructor(path: string) {
    this.#file = openSync(path, "w");
  }

  add(record: HistoryRecord): void {
    if (this.#lines.push(JSON.stringify(record)) >= flushAt) this.flush();
  }

  flush(): void {
    if (this.#lines.length === 0) return;
    writeSync(this.#file, `${this.#lines.join("\n")}\n`);
    this.#lines = [];
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}

export async function* readHistory(paths: readonly string[]): AsyncGenerator<HistoryRecord> {
  for (const path of paths) {
    for await (const line of createInterface({ input: createReadStream(path) })) {
      // Written by HistoryFile, in this run.
      yield JSON.parse(line) as HistoryRecord;
    }
  }
}
