import type { Clock } from "@unstale/cache-core";
import { type BackoffPolicy, backoffMs, type Random } from "./backoff.ts";
import type { PartitionOffset } from "./change-source.ts";
import { reactionTo } from "./failure.ts";
import type { Log } from "./log.ts";

/** What has something to commit: a partition run. */
export interface Committable {
  readonly partition: { readonly topic: string; readonly partition: number };
  readonly committable: bigint | undefined;
  committed(offset: bigint): void;
}

export type Commit = (offsets: readonly PartitionOffset[]) => Promise<void>;

export interface CommitLoopOptions {
  readonly runs: () => Iterable<Committable>;
  readonly commit: Commit;
  readonly onCommitted: (offsets: readonly PartitionOffset[]) => void;
  readonly intervalMs: number;
  readonly retry: BackoffPolicy;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Commits what has settled: at once when it is quiet, at most once per interval when it is not; one commit at a time. */
export class CommitLoop {
  readonly #options: CommitLoopOptions;
  readonly #stopped = new AbortController();
  #turn: Promise<void> = Promise.resolve();
  #looping = false;
  #dirty = false;

  constructor(options: CommitLoopOptions) {
    this.#options = options;
  }

  /** There may be something to commit. */
  touch(): void {
    this.#dirty = true;
    if (this.#looping || this.#stopped.signal.aborted) return;
    this.#looping = true;
    void this.#loop();
  }

  /** Commits what there is, now. Rejects when that failed. */
  flush(commit: Commit = this.#options.commit): Promise<void> {
    const turn = this.#turn.then(() => this.#commit(commit));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #loop(): Promise<void> {
    const { intervalMs, retry, clock, random, log } = this.#options;
    const { signal } = this.#stopped;
    let failures = 0;
    while (this.#dirty && !signal.aborted) {
      this.#dirty = false;
      try {
        await this.flush();
        failures = 0;
      } catch (error) {
        failures += 1;
        log.warn({ err: error }, "offsets were not committed");
        // After a rejoin the loop is touched again; until then every commit would be refused.
        this.#dirty = reactionTo(error) !== "rejoin";
      }
      const pause = failures === 0 ? intervalMs : backoffMs(failures, retry, random);
      await clock.sleep(pause, signal).catch(() => {});
    }
    this.#looping = false;
  }

  async #commit(commit: Commit): Promise<void> {
    const due = [...this.#options.runs()].flatMap((run) => {
      const offset = run.committable;
      return offset === undefined ? [] : [{ run, offset: { ...run.partition, offset } }];
    });
    if (due.length === 0) return;
    const offsets = due.map(({ offset }) => offset);
    await commit(offsets);
    for (const { run, offset } of due) run.committed(offset.offset);
    this.#options.onCommitted(offsets);
  }
}
