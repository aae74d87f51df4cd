import type { AssignedPartition, ChangeHandlers, Gap, Partition, StartPosition } from "./change-source.ts";
import { type CommitMark, parseMark } from "./commit-mark.ts";
import { consumerError } from "./errors.ts";
import { sharedGroup, strangersIn } from "./group-members.ts";
import type { CommittedOffset, KafkaAdminClient, LogBounds, TopicIds } from "./kafka-types.ts";
import type { Log } from "./log.ts";
import type { LogIdentities } from "./log-identities.ts";
import type { PartitionRun } from "./partition-run.ts";

export interface AssignmentOptions {
  readonly runs: readonly PartitionRun[];
  readonly admin: Pick<KafkaAdminClient, "bounds" | "committed" | "describeGroup">;
  readonly topicIds: TopicIds;
  readonly identities: LogIdentities;
  readonly groupId: string;
  readonly handlers: ChangeHandlers;
  readonly log: Log;
  /** The group is somebody else's: nothing of it may be read. */
  readonly onShared: (error: Error) => void;
}

/**
 * From "assigned" to "running": looks whose the group is, reads what it committed and what the log still has, tells of what
 * is missing, asks where to begin. Until that worked the partitions stay paused and it is tried again. Never rejects.
 */
export async function assignPartitions(options: AssignmentOptions): Promise<void> {
  const { runs, handlers, identities } = options;
  const answered: Answered = new Map();
  for (let attempt = 1; ; attempt += 1) {
    const waiting = runs.filter((run) => run.state === "assigning");
    if (waiting.length === 0) return;
    try {
      const found = await look(waiting, options);
      if (await isShared(found, options)) return;
      const whole = await answerGaps(found, answered, identities);
      const open = whole.filter(({ run }) => run.state === "assigning");
      const starts = open.length === 0 ? [] : await handlers.onAssigned(open.map(({ assigned }) => assigned));
      await Promise.all(open.map((each) => begin(each, starts, identities)));
      return;
    } catch (error) {
      await Promise.all(waiting.map((run) => run.pauseFor(attempt, error)));
    }
  }
}

interface Found {
  readonly run: PartitionRun;
  readonly assigned: AssignedPartition;
  /** Of the log as it is now. */
  readonly topicId: string | undefined;
  /** As it stands in the group. */
  readonly committed: CommittedOffset | undefined;
  readonly mark: CommitMark;
}

/** Gaps that the handlers took, should anything after that fail: the offset and the log with which they go on. */
type Answered = Map<PartitionRun, { readonly offset: bigint; readonly topicId: string | undefined }>;

async function look(runs: readonly PartitionRun[], options: AssignmentOptions): Promise<Found[]> {
  const { admin, groupId, topicIds } = options;
  const topics = [...new Set(runs.map((run) => run.partition.topic))];
  // Before the rest: should a topic be made anew in between, the next look at its id says so.
  const ids = await topicIds(topics);
  const [committed, ...logs] = await Promise.all([
    admin.committed(groupId, topics),
    ...topics.map(async (topic) => ({ topic, partitions: await admin.bounds(topic) })),
  ]);
  return runs.map((run) => {
    const { topic, partition } = run.partition;
    const log = logs.find((one) => one.topic === topic)?.partitions.find((one) => one.partition === partition);
    const topicId = ids?.get(topic);
    if (log === undefined || (ids !== undefined && topicId === undefined)) {
      throw consumerError("UNSTALE_KAFKA_UNREACHABLE", `The log of ${topic}/${partition} is not known to the broker.`);
    }
    return foundOf(run, { log, topicId, committed });
  });
}

function foundOf(
  run: PartitionRun,
  facts: { log: LogBounds; topicId: string | undefined; committed: readonly CommittedOffset[] },
): Found {
  const { log, topicId } = facts;
  const { topic, partition } = run.partition;
  const committed = facts.committed.find((one) => one.topic === topic && one.partition === partition);
  const mark = parseMark(committed?.metadata ?? "");
  const bounds = { ...run.partition, low: log.low, end: log.end };
  if (committed?.offset === undefined) return { run, assigned: bounds, topicId, committed, mark };
  const owner = mark.owner === undefined ? {} : { owner: mark.owner };
  return { run, assigned: { ...bounds, committed: committed.offset, ...owner }, topicId, committed, mark };
}

/**
 * Whether members of the group work for somebody else. Where what is committed is ours, we were first: they are the ones
 * who refuse to start, and a program that is set up wrongly and started again and again does no harm to us.
 */
async function isShared(found: readonly Found[], options: AssignmentOptions): Promise<boolean> {
  const { admin, groupId, identities, log, onShared } = options;
  const { owner } = identities;
  if (owner === undefined) return false;
  const strangers = await strangersIn(admin, groupId, owner);
  if (strangers.length === 0) return false;
  const error = sharedGroup(groupId, owner, strangers);
  if (found.some(({ mark }) => mark.owner === owner)) {
    log.error({ err: error }, "somebody else joined our group");
    return false;
  }
  onShared(error);
  return true;
}

async function answerGaps(
  found: readonly Found[],
  answered: Answered,
  identities: LogIdentities,
): Promise<readonly Found[]> {
  return await Promise.all(
    found.map(async (each) => {
      const { run, assigned, topicId, mark } = each;
      const before = answered.get(run) ?? { offset: assigned.committed, topicId: mark.topicId };
      const isStrange = identities.owner !== undefined && mark.owner === undefined && !answered.has(run);
      const gap = gapSince(run.partition, before, { ...assigned, topicId, isStrange });
      if (gap !== undefined && (await run.answer(gap))) answered.set(run, { offset: gap.to, topicId });
      const committed = answered.get(run)?.offset;
      return committed === undefined ? each : { ...each, assigned: { ...assigned, committed } };
    }),
  );
}

interface LogNow {
  readonly low: bigint;
  readonly end: bigint;
  readonly topicId?: string | undefined;
  /** What the group has was not written by us. */
  readonly isStrange: boolean;
}

function gapSince(
  partition: Partition,
  before: { readonly offset: bigint | undefined; readonly topicId: string | undefined },
  now: LogNow,
): Gap | undefined {
  if (before.offset === undefined) return undefined;
  const isAnother = before.topicId !== undefined && now.topicId !== undefined && before.topicId !== now.topicId;
  if (now.isStrange) return { partition, from: before.offset, to: now.low, cause: "reset" };
  if (isAnother) return { partition, from: before.offset, to: now.low, cause: "recreated" };
  return gapBetween(partition, before.offset, now);
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

async function begin(found: Found, starts: readonly StartPosition[], identities: LogIdentities): Promise<void> {
  const { run, assigned, topicId } = found;
  const { topic, partition } = run.partition;
  const committed = assigned.committed ?? assigned.low;
  const start = starts.find((one) => one.topic === topic && one.partition === partition)?.offset ?? committed;
  identities.remember(run, topicId);
  const gap = gapBetween(run.partition, start, assigned);
  if (gap !== undefined && !(await run.answer(gap))) return;
  const offset = gap?.to ?? start;
  run.begin(offset, { isCommitted: isCommitted(found, offset, identities) });
}

/**
 * Whether the group says what we would say. If not, where we begin is committed before anything is read: from then on the
 * group knows whose it is and of which log its offsets are, and a partition without an offset has lost one.
 */
function isCommitted({ run, committed }: Found, offset: bigint, identities: LogIdentities): boolean {
  if (identities.owner === undefined) return true;
  return committed?.offset === offset && committed.metadata === identities.metadataOf(run);
}
