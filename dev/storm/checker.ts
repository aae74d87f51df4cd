// The judge. It knows histories and nothing else: no line of the library, of the contestants or of the storm is used here.
//
// A read is stale when it *began* after a change was acknowledged, and its answer was built from an older version. What an
// answer was built from is written in the answer. A read that overlaps the acknowledgement may go either way.
import type { AcknowledgementRecord, EditRecord, HistoryRecord, ReadRecord, WipeRecord } from "./history.ts";

export interface Verdict {
  readonly name: string;
  readonly reads: number;
  readonly hits: number;
  /** Reads that began more than this many ms after the acknowledgement, and were given what it had overtaken. */
  readonly staleAfterMs: Readonly<Record<number, number>>;
  /** The longest time in ms between an acknowledgement and a read that was given what it had overtaken. */
  readonly latestStaleMs: number;
  /** Answers of the last pass that had been kept, and those of them that were overtaken. */
  readonly entriesAtEnd: number;
  readonly staleAtEnd: number;
  /** Answers to another question than was asked. */
  readonly mixedUp: number;
  /** Changes that were never acknowledged. */
  readonly unacknowledged: number;
  /** From a change to its acknowledgement, in ms, ascending. */
  readonly acknowledgedAfterMs: readonly number[];
  readonly counts: Readonly<Record<string, number>>;
  /** The first few stale reads, for a person. */
  readonly examples: readonly Conviction[];
}

export interface Conviction {
  readonly read: ReadRecord;
  readonly because: string;
  /** How long before the read the change was acknowledged. */
  readonly lateMs: number;
}

export const delaysMs: readonly number[] = [0, 1_000, 10_000];

/** All records but the reads: they fit into memory, and every read is judged by them. */
export type Circumstance = Exclude<HistoryRecord, ReadRecord>;

export class Checker {
  readonly #judges = new Map<string, Judge>();
  readonly #circumstances: readonly Circumstance[];

  constructor(circumstances: readonly Circumstance[]) {
    this.#circumstances = circumstances;
  }

  read(record: ReadRecord): void {
    this.#judgeOf(record.by).read(record);
  }

  verdict(name: string): Verdict {
    return this.#judgeOf(name).verdict();
  }

  #judgeOf(name: string): Judge {
    const known = this.#judges.get(name);
    if (known) return known;
    const judge = new Judge(name, this.#circumstances);
    this.#judges.set(name, judge);
    return judge;
  }
}

interface Step {
  readonly acknowledged: number;
  readonly edit: EditRecord;
}

/** Why an answer should have been gone, and since when. */
interface Ended {
  readonly acknowledged: number;
  readonly because: string;
}

interface AcknowledgedWipe {
  readonly acknowledged: number;
  readonly wipe: WipeRecord;
}

/** One contestant's. */
class Judge {
  readonly #name: string;
  readonly #acknowledgements: Acknowledgements;
  /** For each document its edits in the order of acknowledgement. */
  readonly #steps = new Map<string, Step[]>();
  readonly #wipes: AcknowledgedWipe[] = [];
  readonly #foreign = new Map<string, number>();
  readonly #counts: Record<string, number> = {};
  readonly #waits: number[] = [];
  readonly #stale: Record<number, number> = Object.fromEntries(delaysMs.map((ms) => [ms, 0]));
  readonly #examples: Conviction[] = [];
  #unacknowledged = 0;
  #reads = 0;
  #hits = 0;
  #latestMs = 0;
  #entriesAtEnd = 0;
  #staleAtEnd = 0;
  #mixedUp = 0;

  constructor(name: string, circumstances: readonly Circumstance[]) {
    this.#name = name;
    this.#acknowledgements = new Acknowledgements(
      circumstances.filter((record) => record.kind === "acknowledged").filter(({ by }) => by === name),
    );
    for (const record of circumstances) this.#take(record);
    for (const steps of this.#steps.values()) steps.sort((one, other) => one.acknowledged - other.acknowledged);
    this.#waits.sort((one, other) => one - other);
  }

  read(read: ReadRecord): void {
    if (read.says !== read.query) this.#mixedUp += 1;
    const conviction = this.#convict(read);
    if (conviction && this.#examples.length < 5) this.#examples.push(conviction);
    if (read.last) {
      if (read.hit) this.#entriesAtEnd += 1;
      if (read.hit && conviction) this.#staleAtEnd += 1;
      return;
    }
    this.#reads += 1;
    if (read.hit) this.#hits += 1;
    if (!conviction) return;
    for (const ms of delaysMs) if (conviction.lateMs >= ms) this.#stale[ms] = (this.#stale[ms] ?? 0) + 1;
    this.#latestMs = Math.max(this.#latestMs, conviction.lateMs);
  }

  verdict(): Verdict {
    return {
      name: this.#name,
      reads: this.#reads,
      hits: this.#hits,
      staleAfterMs: this.#stale,
      latestStaleMs: this.#latestMs,
      entriesAtEnd: this.#entriesAtEnd,
      staleAtEnd: this.#staleAtEnd,
      mixedUp: this.#mixedUp,
      unacknowledged: this.#unacknowledged,
      acknowledgedAfterMs: this.#waits,
      counts: this.#counts,
      examples: this.#examples,
    };
  }

  #take(record: Circumstance): void {
    if (record.kind === "foreign") this.#foreign.set(record.id, record.at);
    if (record.kind === "count" && record.by === this.#name) {
      this.#counts[record.what] = (this.#counts[record.what] ?? 0) + record.times;
    }
    if (record.kind !== "edit" && record.kind !== "wipe") return;
    const acknowledged = this.#acknowledgements.of(record);
    if (acknowledged === undefined) {
      this.#unacknowledged += 1;
      return;
    }
    if (record.kind === "wipe") {
      this.#wipes.push({ acknowledged, wipe: record });
      return;
    }
    this.#waits.push((acknowledged - record.at) / 1_000);
    const steps = this.#steps.get(record.document) ?? [];
    steps.push({ acknowledged, edit: record });
    this.#steps.set(record.document, steps);
  }

  /** The earliest acknowledgement that this answer should not have survived. */
  #convict(read: ReadRecord): Conviction | undefined {
    const excusedBefore = this.#excusedBefore(read);
    const found = [
      ...Object.keys(read.versions).map((document) => this.#overtakenBy(read, document, excusedBefore)),
      this.#voidedBy(read, excusedBefore),
    ].filter((one) => one !== undefined);
    const [first] = found.sort((one, other) => one.acknowledged - other.acknowledged);
    return first && { read, because: first.because, lateMs: (read.began - first.acknowledged) / 1_000 };
  }

  #overtakenBy(read: ReadRecord, document: string, excusedBefore: number): Ended | undefined {
    const version = read.versions[document] ?? 0;
    const step = this.#steps
      .get(document)
      ?.find(
        ({ acknowledged, edit }) => acknowledged >= read.began || (edit.version > version && edit.at > excusedBefore),
      );
    // Nothing was acknowledged before the read but what the answer knows.
    if (!step || step.acknowledged >= read.began) return undefined;
    const { acknowledged, edit } = step;
    return { acknowledged, because: `${document} was at version ${edit.version}, and the answer says ${version}` };
  }

  #voidedBy(read: ReadRecord, excusedBefore: number): Ended | undefined {
    const [first] = this.#wipes
      .filter(({ acknowledged, wipe }) => {
        const late = acknowledged < read.began && read.from < wipe.at && wipe.at > excusedBefore;
        return late && isWithin(read, wipe.namespace);
      })
      .sort((one, other) => one.acknowledged - other.acknowledged);
    if (!first) return undefined;
    const { acknowledged, wipe } = first;
    return { acknowledged, because: `${wipe.namespace ?? "everything"} was voided after the answer was built` };
  }

  /**
   * A program without leases cannot know that a source changed between its reading it and its last SADD: what was changed
   * before that is not promised to end its entry, what is changed afterwards is.
   */
  #excusedBefore(read: ReadRecord): number {
    if (read.foreign === undefined) return Number.NEGATIVE_INFINITY;
    return this.#foreign.get(read.foreign) ?? Number.POSITIVE_INFINITY;
  }
}

/** A question's name begins with its namespace and a slash. */
function isWithin(read: ReadRecord, namespace: string | undefined): boolean {
  if (namespace === undefined) return true;
  const slash = read.query.indexOf("/");
  const own = slash < 0 ? "" : read.query.slice(0, slash);
  return own === namespace || own.startsWith(`${namespace}:`);
}

/** When each offset was acknowledged. */
class Acknowledgements {
  readonly #partitions = new Map<number, AcknowledgementRecord[]>();

  constructor(records: readonly AcknowledgementRecord[]) {
    for (const record of [...records].sort((one, other) => one.at - other.at)) {
      const earlier = this.#partitions.get(record.partition) ?? [];
      const highest = earlier.at(-1)?.next ?? 0;
      // A worker that took a partition over may say again what another one said.
      if (record.next > highest) earlier.push(record);
      this.#partitions.set(record.partition, earlier);
    }
  }

  of({ partition, offset }: EditRecord | WipeRecord): number | undefined {
    const records = this.#partitions.get(partition) ?? [];
    let low = 0;
    let high = records.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((records[middle]?.next ?? 0) > offset) high = middle;
      else low = middle + 1;
    }
    return records[low]?.at;
  }
}
