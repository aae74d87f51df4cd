import { fieldOf, type Image, textOf } from "./image.ts";
import type { Machine } from "./machine.ts";
import type { Content, ReplyOf, RequestOf, StoreStep } from "./step.ts";
import { promised, published, replaceAt, type Truth, unknownTo, withBarrier } from "./truth.ts";
import { Violation } from "./violation.ts";
import type { Question, World } from "./world.ts";

/**
 * The promises, as the world outside can judge them. **I1**: no verified read gives what does not know of a promised
 * change. **I2**: nothing is written with a lease that does not know of a change whose barrier ran. **I3**: with the
 * acknowledgement the entries are gone. What is weaker for writers without a lease is told in `foreignWrite` and here:
 * a key that was written without one may be ignorant of changes whose barrier ran before its last foreign write.
 */
export function judgeStoreStep(machine: Machine, truth: Truth, step: StoreStep, reply: unknown): Truth {
  switch (step.method) {
    case "read":
      judgeRead(machine, truth, step.request, reply as ReplyOf<"read">);
      return truth;
    case "commit":
      return judgeCommit(machine, truth, step.request, reply as ReplyOf<"commit">);
    case "invalidate":
      return afterInvalidate(truth, step.request, { covers: step.covers ?? 0, reply: reply as ReplyOf<"invalidate"> });
    case "heartbeat":
      return afterHeartbeat(truth, step.request, reply as ReplyOf<"heartbeat">);
    case "attach": {
      const attached = reply as ReplyOf<"attach">;
      const barrier = attached.kind === "attached" && attached.barrier;
      return barrier ? withBarrier(truth, step.request.bucket, published(truth)) : truth;
    }
    default:
      return truth;
  }
}

/** A name in contents that were written with a codec. */
export const codecMark = "~codec";

export function contentOf(response: string): Content {
  return JSON.parse(response) as Content;
}

/** What a bare look at the entry's key may not be ignorant of. */
function overlooked(truth: Truth, key: string, { bucket, response }: { bucket: number; response: string }): number {
  const excused = truth.lineage.tainted[key] ?? 0;
  return unknownTo(contentOf(response), truth.changes) & promised(truth, bucket) & ~excused;
}

export function judgeRead(machine: Machine, truth: Truth, request: RequestOf<"read">, reply: ReplyOf<"read">): void {
  if (reply.kind !== "hit") return;
  if ((reply.codec !== undefined) !== codecMark in contentOf(reply.response)) {
    throw new Violation("H19", `the codec of ${reply.response} is said to be ${reply.codec}`);
  }
  const key = machine.keys.entry(request, request.query, request.versions);
  judgeDemands(truth, key, request, reply.response);
  const mask = overlooked(truth, key, { bucket: request.bucket, response: reply.response });
  if (mask === 0) return;
  throw new Violation("I1", `${key} is served as ${reply.response}; it does not know of ${changesIn(truth, mask)}`);
}

/** What a reader demands it is promised whether it is acknowledged or not, and whatever a failover lost. */
function judgeDemands(truth: Truth, key: string, { demands }: RequestOf<"read">, response: string): void {
  if (!demands) return;
  const { after, maxStalenessMs } = demands;
  const unknown = unknownTo(contentOf(response), truth.changes) & ~(truth.lineage.tainted[key] ?? 0);
  truth.changes.forEach(({ partition, offset, at }, number) => {
    if (offset === undefined || at === undefined || (unknown & (1 << number)) === 0) return;
    const told = `${key} is served as ${response}; it does not know of ${changesIn(truth, 1 << number)}`;
    if (after.some((record) => String(record.partition) === partition && offset <= record.offset)) {
      throw new Violation("after", told);
    }
    if (maxStalenessMs !== undefined && at < truth.now - maxStalenessMs * 1_000) throw new Violation("fresh", told);
  });
}

function judgeCommit(machine: Machine, truth: Truth, request: RequestOf<"commit">, reply: ReplyOf<"commit">): Truth {
  if (reply.kind !== "written") return truth;
  const { lineage } = truth;
  const { bucket, lease, response } = request;
  const key = machine.keys.entry(request, request.query, lease.versions);
  const barriered = lineage.barriered[bucket] ?? 0;
  if (!("clock" in lease))
    return { ...truth, lineage: { ...lineage, tainted: { ...lineage.tainted, [key]: barriered } } };
  const late = unknownTo(contentOf(response), truth.changes) & barriered & ~(truth.lost[bucket] ?? 0);
  if (late !== 0) throw new Violation("I2", `${key} is written as ${response} after ${changesIn(truth, late)}`);
  if (lineage.tainted[key] === undefined) return truth;
  const { [key]: _, ...tainted } = lineage.tainted;
  return { ...truth, lineage: { ...lineage, tainted } };
}

function afterInvalidate(
  truth: Truth,
  { bucket }: RequestOf<"invalidate">,
  { covers, reply }: { readonly covers: number; readonly reply: ReplyOf<"invalidate"> },
): Truth {
  if (reply.kind !== "applied") return truth;
  return withBarrier(truth, bucket, reply.barrier ? published(truth) : covers);
}

/** From a heartbeat on, whoever owns the partition knows what was lost: only that may still be served, until it is replayed. */
function afterHeartbeat(truth: Truth, request: RequestOf<"heartbeat">, reply: ReplyOf<"heartbeat">): Truth {
  if (reply.kind !== "alive") return truth;
  let lost = truth.lost[request.bucket] ?? 0;
  if (lost === 0) return truth;
  request.partitions.forEach(({ partition }, index) => {
    const applied = reply.applied[index];
    truth.changes.forEach((change, number) => {
      if (change.partition !== String(partition) || applied === undefined) return;
      if ((change.offset ?? 0) < applied) lost &= ~(1 << number);
    });
  });
  return { ...truth, lost: replaceAt(truth.lost, request.bucket, lost) };
}

export function changesIn(truth: Truth, mask: number): string {
  const names = truth.changes.flatMap(({ requires }, index) =>
    mask & (1 << index) ? [`change ${index} (${JSON.stringify(requires)})`] : [],
  );
  return names.join(", ");
}

/** The versions under which the entry of a question would be found now; `undefined` when a counter is missing. */
export function versionsNow({ keys }: Machine, image: Image, question: Question): readonly string[] | undefined {
  const values = keys.versionCounters(question).map((counter) => textOf(image, counter));
  return values.includes(undefined) ? undefined : (values as string[]);
}

/** What any reader would be given now. */
export async function judgeState(world: World, machine: Machine, truth: Truth, image: Image): Promise<void> {
  for (const bystander of world.bystanders ?? []) {
    if (!image.slots.has(bystander)) throw new Violation("H20", `${bystander} is gone`);
  }
  if (truth.acknowledged === 0) return;
  for (const key of world.unversioned ?? []) judgeUnversioned(key, truth, image);
  for (const question of world.questions) await judgeQuestion(world, machine, { truth, image, question });
}

async function judgeQuestion(
  world: World,
  machine: Machine,
  { truth, image, question }: { readonly truth: Truth; readonly image: Image; readonly question: Question },
): Promise<void> {
  const versions = versionsNow(machine, image, question);
  if (!versions) return;
  const { bucket, namespace, query } = question;
  const key = machine.keys.entry(question, query, versions);
  const response = fieldOf(image, key, "response");
  if (response === undefined) return;
  const mask = overlooked(truth, key, { bucket, response });
  if (mask === 0) return;
  const request = { bucket, namespace, query, versions };
  judgeRead(machine, truth, request, await machine.store.read(request));
  const plain = mask & ~truth.fellBack;
  if (world.plainReaders && plain !== 0 && !truth.disturbed && truth.lineage.tainted[key] === undefined) {
    throw new Violation("I3", `${key} is left behind as ${response} after ${changesIn(truth, mask)}`);
  }
}

/** Keys of the plain schema without a version: nobody verifies them, so they must be gone (H21). */
function judgeUnversioned(key: string, truth: Truth, image: Image): void {
  const response = fieldOf(image, key, "response");
  if (response === undefined || truth.disturbed) return;
  const mask = overlooked(truth, key, { bucket: 0, response }) & ~truth.fellBack;
  if (mask !== 0) throw new Violation("I3", `${key} is left behind as ${response} after ${changesIn(truth, mask)}`);
}
