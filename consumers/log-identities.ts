import { formatMark } from "./commit-mark.ts";
import type { PartitionRun } from "./partition-run.ts";

/** Which log each run reads, and what its commits say of themselves. */
export class LogIdentities {
  readonly #owner: string | undefined;
  readonly #ids = new WeakMap<PartitionRun, string>();

  constructor(owner: string | undefined) {
    this.#owner = owner;
  }

  get owner(): string | undefined {
    return this.#owner;
  }

  /** Absent where the broker knows no topic ids, and until the run begins. */
  of(run: PartitionRun): string | undefined {
    return this.#ids.get(run);
  }

  /** Before anything of the log is delivered or committed. */
  remember(run: PartitionRun, topicId: string | undefined): void {
    if (topicId !== undefined) this.#ids.set(run, topicId);
  }

  /** Metadata of a commit; none at all where there is neither an owner nor an id. */
  metadataOf(run: PartitionRun | undefined): string {
    const topicId = run === undefined ? undefined : this.#ids.get(run);
    return this.#owner === undefined && topicId === undefined ? "" : formatMark({ owner: this.#owner, topicId });
  }
}
