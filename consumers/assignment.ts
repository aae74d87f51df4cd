import type { AssignedPartition, ChangeHandlers, Gap, Partition, StartPosition } from "./change-source.ts";
import { consumerError } from "./errors.ts";
import type { CommittedOffset, KafkaAdminClient, LogBounds } from "./kafka-types.ts";
import type { PartitionRun } from "./partition-run.ts";

export interface AssignmentOptions {
  readonly runs: readonly PartitionRun[];
  readonly admin: Pick<KafkaAdminClient, "bounds" | "committed">;
  readonly groupId: string;
  readonly handlers: ChangeHandlers;
}

/**
 * From "assigned" to "running": reads what the group committed and what the log still has, tells of what is missing, asks
 * where to begin. Until that worked the partitions stay paused and it is tried again. Never rejects.
 */
export async function assignPartitions({ runs, admin, groupId, handlers }: AssignmentOptions): Promise<void> {
  const answered = new Map<PartitionRun, bigint>();
  for (let attempt = 1; ; attempt += 1) {
    const waiting = runs.filter((run) => run.state === "assigning");
    if (waiting.length === 0) return;
    try {
      const found = await look({ runs: waiting, admin, groupId });
      await answerGaps(found, answered);
      const open = found.filter(({ run }) => run.state === "assigning");
      const starts = open.length === 0 ? [] : await handlers.onAssigned(open.map(({ assigned }) => assigned));
      await Promise.all(open.map(({ run, assigned }) => begin(run, assigned, starts)));
      return;
    } catch (error) {
      await Promise.all(waiting.map((run) => run.pauseFor(attempt, error)));
    }
  }
}

type Found = { readonly run: PartitionRun; readonly assigned: AssignedPartition };

async function look({ runs, admin, groupId }: Omit<AssignmentOptions, "handlers">): Promise<Found[]> {
  const topics = [...new Set(runs.map((run) => run.partition.topic))];
  const [committed, ...logs] = await Promise.all([
    admin.committed(groupId, topics),
    ...topics.map(async (topic) => ({ topic, partitions: await admin.bounds(topic) })),
  ]);
  return runs.map((run) => {
    const { topic, partition } = run.partition;
    const log = logs.find((one) => one.topic === topic)?.partitions.find((one) => one.partition === partition);
    if (log === undefined) {
      throw consumerError("UNSTALE_KAFKA_UNREACHABLE", `The log of ${topic}/${partition} is not known to the broker.`);
    }
    return { run, assigned: assignedOf(run.partition, log, committed) };
  });
}

function assignedOf(partition: Partition, log: LogBounds, all: readonly CommittedOffset[]): AssignedPartition {
  const mine = all.find((one) => one.topic === partition.topic && one.partition === partition.partition);
  const bounds = { ...partition, low: log.low, end: log.end };
  if (mine?.offset === undefined) return bounds;
  return { ...bounds, committed: mine.offset, metadata: mine.metadata };
}

async function answerGaps(found: readonly Found[], answered: Map<PartitionRun, bigint>): Promise<void> {
  await Promise.all(
    found.map(async ({ run, assigned }) => {
      const from = answered.get(run) ?? assigned.committed;
      const gap = from === undefined ? undefined : gapBetween(run.partition, from, assigned);
      if (gap !== undefined && (await run.answer(gap))) answered.set(run, gap.to);
    }),
  );
}

/** What lies between an offset and what the log has, if it has not that offset. */
export function gapBetween(
  partition: Partition,
  from: bigint,
  { low, end }: { readonly low: bigint; readonly end: bigint },
): Gap | undefined {
  if (from < low) return { partition, from, to: low, cause: "retention" };
  // Another log than the one that we read, or a shorter one: all of it is new.
  if (from > end) return { partition, from, to: low, cause: "recreated" };
  return undefined;
}

async function begin(run: PartitionRun, assigned: AssignedPartition, starts: readonly StartPosition[]): Promise<void> {
  const { topic, partition } = run.partition;
  const committed = assigned.committed ?? assigned.low;
  const start = starts.find((one) => one.topic === topic && one.partition === partition)?.offset ?? committed;
  const gap = gapBetween(run.partition, start, assigned);
  // The gap behind the committed offset was answered before they were asked; any other is news.
  const known = start === committed;
  if (gap === undefined) run.begin(start);
  else if (known || (await run.answer(gap))) run.begin(gap.to);
}
