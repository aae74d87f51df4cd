import type { Keys } from "./keys.ts";
import type { ConfirmRequest, ReadRequest } from "./store.ts";

/** What a request adds to the keys and arguments of its script. */
export interface Words {
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

const noDemands: Words = { keys: [], args: [""] };

/** read.lua: the keys at the end, the arguments from the fifth on. */
export function demandWords(keys: Keys, { bucket, demands }: ReadRequest, replicationId: () => string): Words {
  if (!demands) return noDemands;
  const { after, maxStalenessMs } = demands;
  return {
    keys: [keys.state(bucket), keys.fresh(bucket)],
    args: [
      after.length,
      maxStalenessMs === undefined ? "" : Math.floor(maxStalenessMs * 1_000),
      replicationId(),
      ...after.flatMap((record) => [keys.appliedField(record), record.offset]),
    ],
  };
}

/** confirm.lua: all keys, and the arguments from the third on. */
export function confirmWords(keys: Keys, { bucket, partitions, claim }: ConfirmRequest): Words {
  const moment = claim ? [claim.moment.at, claim.moment.birth, claim.moment.replicationId] : ["", 0, 0];
  return {
    keys: [keys.fence(bucket), keys.state(bucket), keys.fresh(bucket)],
    args: [
      ...moment,
      ...partitions.flatMap((partition, index) => [keys.appliedField(partition), claim?.ends[index] ?? 0]),
    ],
  };
}
