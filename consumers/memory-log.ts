import type { SourceRecord } from "./change-event.ts";
import type { RecordBatch } from "./slices.ts";

/** One partition of a log in memory: what Kafka is to the Kafka source, without surviving the process. */
export class MemoryLog {
  readonly topic: string;
  readonly #limit: number;
  #records: SourceRecord[] = [];
  #low = 0n;

  /** Keeps the last `limit` records. */
  constructor(topic: string, limit: number) {
    this.topic = topic;
    this.#limit = limit;
  }

  get low(): bigint {
    return this.#low;
  }

  get end(): bigint {
    return this.#low + BigInt(this.#records.length);
  }

  append(record: Pick<SourceRecord, "key" | "value" | "headers" | "timestamp">): SourceRecord {
    const appended = { ...record, topic: this.topic, partition: 0, offset: this.end };
    this.#records.push(appended);
    return appended;
  }

  /** Records below `settled` may be forgotten; those above are kept however many they are. */
  trim(settled: bigint): void {
    const spare = this.#records.length - this.#limit;
    const forgettable = Number(settled - this.#low);
    const count = Math.max(0, Math.min(spare, forgettable));
    this.#records = this.#records.slice(count);
    this.#low += BigInt(count);
  }

  from(offset: bigint): RecordBatch {
    const records = this.#records.slice(Number(offset - this.#low));
    return {
      size: records.length,
      record: (index) => {
        const record = records[index];
        if (record === undefined) throw new RangeError("no such record in the batch");
        return record;
      },
      next: this.end,
      end: this.end,
    };
  }
}
