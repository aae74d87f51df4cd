import type { Partition } from "./change-source.ts";
import type { Membership } from "./kafka-types.ts";
import type { PartitionRun } from "./partition-run.ts";

export interface Reassignment {
  readonly lost: readonly PartitionRun[];
  readonly kept: readonly PartitionRun[];
  readonly fresh: readonly PartitionRun[];
}

/**
 * Which partitions are ours, from the group's own word (kafkajs' `isStale` only says that a seek is pending). The
 * generation changes with every join; what began in an older one must not resolve anything in kafkajs any more.
 */
export class OwnedPartitions {
  readonly #createRun: (partition: Partition) => PartitionRun;
  readonly #runs = new Map<string, PartitionRun>();
  #memberId: string | undefined;
  #generation = 0;

  constructor(createRun: (partition: Partition) => PartitionRun) {
    this.#createRun = createRun;
  }

  get generation(): number {
    return this.#generation;
  }

  get runs(): readonly PartitionRun[] {
    return [...this.#runs.values()];
  }

  get(partition: Partition): PartitionRun | undefined {
    return this.#runs.get(keyOf(partition));
  }

  /** A new member id means that the group was without us for a while: nothing is kept. */
  join({ memberId, partitions }: Membership): Reassignment {
    this.#generation += 1;
    const wanted = new Set(partitions.map(keyOf));
    const kept = memberId === this.#memberId ? this.runs.filter((run) => wanted.has(keyOf(run.partition))) : [];
    const lost = this.runs.filter((run) => !kept.includes(run));
    for (const run of lost) this.#drop(run);
    this.#memberId = memberId;
    const fresh = partitions.filter((partition) => this.get(partition) === undefined).map(this.#createRun);
    for (const run of fresh) this.#runs.set(keyOf(run.partition), run);
    return { lost, kept, fresh };
  }

  /** Everything is lost. */
  clear(): readonly PartitionRun[] {
    this.#generation += 1;
    const lost = this.runs;
    for (const run of lost) this.#drop(run);
    return lost;
  }

  #drop(run: PartitionRun): void {
    run.end();
    this.#runs.delete(keyOf(run.partition));
  }
}

function keyOf({ topic, partition }: Partition): string {
  return `${topic}/${partition}`;
}
