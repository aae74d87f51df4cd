// Handlers of a ChangeSource that remember everything, and let a test decide what becomes of each slice.
import type {
  AssignedPartition,
  ChangeHandlers,
  Gap,
  Partition,
  Slice,
  SliceOutcome,
  SourceNotice,
  StartPosition,
} from "../../consumers/change-source.ts";
import { Pulse } from "../../consumers/pulse.ts";

export interface RecordingHandlersOptions {
  /** Default: applied and settled at once. */
  readonly onSlice?: (slice: Slice, attempt: number) => SliceOutcome | Promise<SliceOutcome>;
  /** Default: what is committed, else the beginning. */
  readonly onAssigned?: (partitions: readonly AssignedPartition[]) => Promise<readonly StartPosition[]>;
  readonly onGap?: (gap: Gap) => Promise<void>;
}

export const applied: SliceOutcome = { kind: "applied", settled: Promise.resolve() };

export class RecordingHandlers implements ChangeHandlers {
  /** Each time one was handed out, also those that failed. */
  readonly slices: Slice[] = [];
  /** Document ids of slices that were applied, in order. */
  readonly ids: string[] = [];
  readonly assigned: AssignedPartition[] = [];
  readonly revoked: Partition[] = [];
  readonly gaps: Gap[] = [];
  readonly notices: SourceNotice[] = [];
  readonly #options: RecordingHandlersOptions;
  readonly #pulse = new Pulse();

  constructor(options: RecordingHandlersOptions = {}) {
    this.#options = options;
  }

  async onAssigned(partitions: readonly AssignedPartition[]): Promise<readonly StartPosition[]> {
    this.assigned.push(...partitions);
    this.#pulse.beat();
    if (this.#options.onAssigned !== undefined) return this.#options.onAssigned(partitions);
    return partitions.map(({ topic, partition, committed, low }) => {
      const offset = committed === undefined || committed < low ? low : committed;
      return { topic, partition, offset };
    });
  }

  onRevoked(partitions: readonly Partition[]): void {
    this.revoked.push(...partitions);
    this.#pulse.beat();
  }

  async onSlice(slice: Slice): Promise<SliceOutcome> {
    this.slices.push(slice);
    this.#pulse.beat();
    const outcome = (await this.#options.onSlice?.(slice, this.slices.length)) ?? applied;
    if (outcome.kind === "applied") this.ids.push(...idsOf(slice));
    this.#pulse.beat();
    return outcome;
  }

  async onGap(gap: Gap): Promise<void> {
    this.gaps.push(gap);
    this.#pulse.beat();
    await this.#options.onGap?.(gap);
  }

  onNotice(notice: SourceNotice): void {
    this.notices.push(notice);
    this.#pulse.beat();
  }

  noticesOf<K extends SourceNotice["kind"]>(kind: K): Extract<SourceNotice, { kind: K }>[] {
    return this.notices.filter((notice): notice is Extract<SourceNotice, { kind: K }> => notice.kind === kind);
  }

  /** Last committed offset of a partition, as the notices say. */
  committed(partition = 0): bigint | undefined {
    const offsets = this.noticesOf("committed").flatMap((notice) => notice.offsets);
    return offsets.filter((one) => one.partition === partition).at(-1)?.offset;
  }

  /** Waits for something that shows in this record; rejects with what was seen when it takes too long. */
  async until(condition: () => boolean, timeoutMs = 30_000): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`Not seen: ${condition}\n${this.summary()}`)), timeoutMs);
    });
    try {
      await Promise.race([this.#pulse.until(condition), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  summary(): string {
    const notices = this.notices.map((notice) => JSON.stringify(notice, plain)).slice(-20);
    const slices = this.slices.map(({ partition, first, next }) => `${partition}: ${first}..${next}`).slice(-20);
    return [`ids: ${this.ids.length}`, ...slices, ...notices].join("\n");
  }
}

export function idsOf(slice: Slice): string[] {
  return slice.changes.flatMap(({ change }) => (change.kind === "document" ? [change.id] : []));
}

function plain(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  return value instanceof Error ? value.message : value;
}
