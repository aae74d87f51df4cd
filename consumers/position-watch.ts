import type { Clock } from "@unstale/cache-core";
import type { ChangeHandlers, Partition, PartitionOffset } from "./change-source.ts";
import type { KafkaAdminClient } from "./kafka-types.ts";
import type { Log } from "./log.ts";
import type { PartitionRun } from "./partition-run.ts";

/** Counts how often a position was seen unchanged below the end of its log. Pure. */
export class StallDetector {
  readonly #polls: number;
  readonly #seen = new Map<string, { position: bigint; times: number }>();

  /** `polls`: sightings after the first before it counts as a stall. */
  constructor(polls: number) {
    this.#polls = polls;
  }

  /** True at the poll with which a stall begins, and at every further multiple of `polls`. */
  observe({ topic, partition }: Partition, position: bigint, end: bigint): boolean {
    const key = `${topic}/${partition}`;
    const before = this.#seen.get(key);
    const stands = position < end && before?.position === position;
    const times = stands ? before.times + 1 : 0;
    this.#seen.set(key, { position, times });
    return times > 0 && times % this.#polls === 0;
  }
}

export interface PositionWatchOptions {
  readonly runs: () => Iterable<PartitionRun>;
  readonly admin: Pick<KafkaAdminClient, "bounds">;
  readonly isEmptyAt: (target: PartitionOffset) => Promise<boolean>;
  readonly handlers: ChangeHandlers;
  readonly pollMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const pollsToStall = 3;

/**
 * kafkajs asks for the same offset for ever where compaction emptied a batch: its decoder drops the header that says
 * where the next batch begins. We walk over such a batch one offset at a time, each only after the broker proved that
 * nothing is there; a longer step could land inside a batch with records, of which kafkajs drops those before it.
 * Resolves when the signal is aborted.
 */
export async function watchPositions(options: PositionWatchOptions): Promise<void> {
  const detector = new StallDetector(pollsToStall);
  const { clock, pollMs, signal, log } = options;
  while (!signal.aborted) {
    await clock.sleep(pollMs, signal).catch(() => {});
    if (signal.aborted) return;
    try {
      await poll(options, detector);
    } catch (error) {
      // An outage, which others report; the next poll sees.
      log.debug({ err: error }, "positions could not be checked");
    }
  }
}

async function poll(options: PositionWatchOptions, detector: StallDetector): Promise<void> {
  const runs = [...options.runs()].filter((run) => run.state === "running");
  for (const topic of new Set(runs.map((run) => run.partition.topic))) {
    const logs = await options.admin.bounds(topic);
    for (const run of runs.filter((one) => one.partition.topic === topic)) {
      const end = logs.find(({ partition }) => partition === run.partition.partition)?.end;
      if (end === undefined || !detector.observe(run.partition, run.position, end)) continue;
      options.handlers.onNotice({ kind: "stalled", partition: run.partition, offset: run.position });
      await walkOver(run, end, options);
    }
  }
}

async function walkOver(
  run: PartitionRun,
  end: bigint,
  { isEmptyAt, log, signal }: PositionWatchOptions,
): Promise<void> {
  const from = run.position;
  let offset = from;
  while (offset < end && !signal.aborted && (await isEmptyAt({ ...run.partition, offset }))) offset += 1n;
  if (offset === from || run.state !== "running" || run.position !== from) return;
  log.warn({ ...run.partition, from, to: offset }, "walked over a batch that compaction emptied");
  run.seek(offset);
}
