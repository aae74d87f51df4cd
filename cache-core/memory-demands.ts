import { attempt, format, judge, type MemoryParts, numberOf } from "./memory-state.ts";
import type { ConfirmReply, ConfirmRequest, Demands, TopicPartition, UnmetDemand } from "./store.ts";

/** watermark.lua */
interface Watermark {
  readonly replid: number;
  readonly birth: number;
  readonly at: number;
}

function watermarkOf({ keyspace, keys }: MemoryParts, bucket: number): Watermark | undefined {
  const value = attempt(() => keyspace.get(keys.fresh(bucket)))?.value;
  const match = /^(\d+):(\d+):(\d+)$/.exec(value ?? "");
  if (!match) return undefined;
  const [replid = 0, birth = 0, at = 0] = match.slice(1).map(Number);
  return { replid, birth, at };
}

/** The text of the offset after the last one applied, where it is a number. */
function appliedOf({ keyspace, keys }: MemoryParts, bucket: number, partition: TopicPartition): number | undefined {
  return numberOf(attempt(() => keyspace.hget(keys.state(bucket), keys.appliedField(partition)))?.value);
}

/** read.lua: the first demand that is not met. */
export function unmetDemand(parts: MemoryParts, bucket: number, demands: Demands): UnmetDemand | undefined {
  const isBehind = demands.after.some((record) => (appliedOf(parts, bucket, record) ?? 0) <= record.offset);
  if (isBehind) return "behind";
  if (demands.maxStalenessMs === undefined) return undefined;
  const state = judge(parts, bucket)?.state;
  const mark = watermarkOf(parts, bucket);
  if (!state || !mark || mark.birth !== state.birth || mark.replid !== parts.replicationId()) return "unconfirmed";
  const age = parts.time() - mark.at;
  return age < 0 || age > Math.floor(demands.maxStalenessMs * 1_000) ? "unconfirmed" : undefined;
}

/** confirm.lua */
export function confirm(parts: MemoryParts, { bucket, partitions, claim }: ConfirmRequest): ConfirmReply {
  const { keyspace, keys } = parts;
  const [at, replicationId] = [parts.time(), parts.replicationId()];
  const state = judge(parts, bucket)?.state;
  if (!state) return { kind: "lost" };
  if (state.format > format) return { kind: "format" };
  const applied = partitions.map((partition) => appliedOf(parts, bucket, partition));
  const holds =
    claim !== undefined &&
    claim.moment.at <= at &&
    claim.moment.birth === state.birth &&
    claim.moment.replicationId === replicationId &&
    applied.every((offset, index) => (offset ?? 0) >= (claim.ends[index] ?? 0));

  const mark = watermarkOf(parts, bucket);
  const isOurs = mark && mark.replid === replicationId && mark.birth === state.birth && mark.at <= at;
  let confirmedAt = isOurs ? mark.at : undefined;
  if (holds && (confirmedAt === undefined || confirmedAt < claim.moment.at)) {
    confirmedAt = claim.moment.at;
    keyspace.set(keys.fresh(bucket), `${replicationId}:${state.birth}:${confirmedAt}`);
  }
  const moment = { at, birth: state.birth, replicationId };
  return { kind: "standing", moment, applied, holds, ...(confirmedAt === undefined ? {} : { confirmedAt }) };
}
