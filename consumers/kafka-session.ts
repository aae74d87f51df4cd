/**
 * One consumer, from its connect to its last word: `open`, then deliver until it ends (crash, missing topics that now
 * exist) or is closed. The supervisor in `kafka-source.ts` builds the next one; nothing is carried over but what Kafka and
 * the store remember.
 */
import type { Clock } from "@unstale/cache-core";
import { assignPartitions, gapBetween } from "./assignment.ts";
import type { Random } from "./backoff.ts";
import type { ChangeHandlers, Partition, PartitionLag, PartitionOffset } from "./change-source.ts";
import { CommitLoop } from "./commit-loop.ts";
import { createKafkaDeadLetters, type DeadLetters } from "./dead-letter.ts";
import { within } from "./deadline.ts";
import { startHeartbeats } from "./heartbeats.ts";
import { kafkaError, kafkaSilent } from "./kafka-error.ts";
import type {
  ConsumerTuning,
  KafkaAdminClient,
  KafkaBatch,
  KafkaClient,
  KafkaConsumer,
  MarkedOffset,
  Membership,
  TopicIds,
} from "./kafka-types.ts";
import { createLazySender } from "./lazy-sender.ts";
import type { Log } from "./log.ts";
import { LogIdentities } from "./log-identities.ts";
import { createDeadLetterTopics, waitingFor } from "./missing-topics.ts";
import { OwnedPartitions } from "./owned-partitions.ts";
import { PartitionRun } from "./partition-run.ts";
import { watchPositions } from "./position-watch.ts";
import type { Subscriptions } from "./subscriptions.ts";
import type { SessionEnd } from "./supervision.ts";
import { watchTopicIds } from "./topic-watch.ts";
import type { Tuning } from "./tuning.ts";

export interface KafkaSessionOptions {
  /** For the consumer; the other one for questions and dead letters, with few retries of its own. */
  readonly consumerClient: () => KafkaClient;
  readonly sideClient: () => KafkaClient;
  readonly groupId: string;
  readonly subscriptions: Subscriptions;
  readonly handlers: ChangeHandlers;
  readonly tuning: Tuning;
  readonly consumerTuning: ConsumerTuning;
  readonly createDeadLetterTopics: boolean;
  readonly owner: string | undefined;
  readonly stallPollMs: number;
  readonly identityPollMs: number;
  readonly topicPollMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Disconnecting, or a last commit, must not take longer: what hangs is cut off. */
const closeTimeoutMs = 10_000;

export class KafkaSession {
  /** Resolves once, when this consumer is over. */
  readonly ended: Promise<SessionEnd>;
  readonly #options: KafkaSessionOptions;
  readonly #consumerClient: KafkaClient;
  readonly #sideClient: KafkaClient;
  readonly #admin: KafkaAdminClient;
  readonly #consumer: KafkaConsumer;
  readonly #sender: ReturnType<typeof createLazySender>;
  readonly #deadLetters: DeadLetters;
  readonly #owned: OwnedPartitions;
  readonly #identities: LogIdentities;
  readonly #commits: CommitLoop;
  readonly #closing = new AbortController();
  #finish: (end: SessionEnd) => void = () => {};
  #running: Promise<void> = Promise.resolve();
  #joined = false;
  #closed: Promise<boolean> | undefined;

  constructor(options: KafkaSessionOptions) {
    const { tuning, clock, random, log, handlers } = options;
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#consumerClient = options.consumerClient();
    this.#sideClient = options.sideClient();
    this.#admin = this.#sideClient.admin();
    this.#sender = createLazySender(() => this.#sideClient.producer());
    this.#deadLetters = createKafkaDeadLetters({ sender: this.#sender, log });
    this.#identities = new LogIdentities(options.owner);
    this.#owned = new OwnedPartitions((partition) => this.#createRun(partition));
    this.#consumer = this.#consumerClient.consumer({
      groupId: options.groupId,
      owner: options.owner,
      tuning: options.consumerTuning,
      listeners: {
        onJoined: (membership) => this.#onJoined(membership),
        onSilent: () => handlers.onNotice({ kind: "disconnected", error: kafkaSilent() }),
        onHeard: () => handlers.onNotice({ kind: "reconnected" }),
        onRebalancing: () => handlers.onNotice({ kind: "rebalancing" }),
        onCrashed: (error) => this.#onCrashed(error),
        onFiltered: (partition, next) => this.#onFiltered(partition, next),
        onOutOfRange: (partition) => void this.#onOutOfRange(partition),
      },
    });
    this.#commits = new CommitLoop({
      runs: () => this.#owned.runs,
      commit: (offsets) => this.#consumer.commit(this.#marked(offsets)),
      onCommitted: (offsets) => handlers.onNotice({ kind: "committed", offsets }),
      intervalMs: tuning.commitIntervalMs,
      retry: tuning.retry,
      clock,
      random,
      log,
    });
  }

  get owned(): readonly Partition[] {
    return this.#owned.runs.map((run) => run.partition);
  }

  /** Connects and joins; what goes wrong ends the session. Never rejects. */
  async open(): Promise<void> {
    try {
      await this.#admin.connect();
      const existing = await this.#admin.listTopics();
      const topics = this.#options.subscriptions.topics;
      const present = topics.filter((topic) => existing.has(topic));
      if (present.length === 0) {
        this.#finish({ kind: "waiting", reason: waitingFor(topics) });
        return;
      }
      const { createDeadLetterTopics: creates, log } = this.#options;
      if (creates) await createDeadLetterTopics(present, existing, { admin: this.#admin, log });
      if (this.#closing.signal.aborted) return;
      this.#running = this.#run(present);
      await this.#running;
      void this.#watchTopics(present);
    } catch (error) {
      this.#finish({ kind: "crashed", error: kafkaError(error, "Starting to consume"), joined: this.#joined });
    }
  }

  seek(target: PartitionOffset): void {
    this.#owned.get(target)?.seek(target.offset);
  }

  /** Rejects with an `UnstaleError` when Kafka cannot be asked. */
  async lag(): Promise<readonly PartitionLag[]> {
    const partitions = this.owned;
    const topics = [...new Set(partitions.map(({ topic }) => topic))];
    if (topics.length === 0) return [];
    const committed = await this.#admin.committed(this.#options.groupId, topics);
    const logs = await Promise.all(topics.map(async (topic) => [topic, await this.#admin.bounds(topic)] as const));
    const bounds = new Map(logs);
    return partitions.flatMap((one) => {
      const log = bounds.get(one.topic)?.find(({ partition }) => partition === one.partition);
      const mine = committed.find(({ topic, partition }) => topic === one.topic && partition === one.partition)?.offset;
      if (log === undefined) return [];
      const lag = log.end - (mine ?? log.low);
      return [{ ...one, ...(mine === undefined ? {} : { committed: mine }), end: log.end, lag: lag > 0n ? lag : 0n }];
    });
  }

  /** Takes no new slices, waits for those under way, commits, leaves. Whether all of them settled. Never rejects. */
  close(drainMs: number): Promise<boolean> {
    this.#closed ??= this.#close(drainMs);
    return this.#closed;
  }

  async #close(drainMs: number): Promise<boolean> {
    const { clock, log } = this.#options;
    this.#closing.abort();
    const { runs } = this.#owned;
    for (const run of runs) run.freeze();
    const settled = Promise.all(runs.map((run) => run.drained())).then((all) => all.every(Boolean));
    const drained = await within(settled, drainMs, false, clock);
    this.#commits.stop();
    const committed = this.#commits.flush().catch((error) => log.warn({ err: error }, "last offsets not committed"));
    await within(committed, closeTimeoutMs, undefined, clock);
    this.#lose(this.#owned.clear());
    // A consumer that is disconnected while it still joins would come back to life afterwards.
    const left = this.#running.catch(() => {}).then(() => this.#consumer.disconnect());
    const sides = Promise.all([this.#sender.close(), this.#admin.disconnect()]);
    await within(Promise.allSettled([left, sides]), closeTimeoutMs, undefined, clock);
    this.#consumerClient.destroy();
    this.#sideClient.destroy();
    if (this.#joined) this.#options.handlers.onNotice({ kind: "left" });
    this.#finish({ kind: "stopped" });
    return drained;
  }

  async #run(topics: readonly string[]): Promise<void> {
    const uncompacted = await this.#admin.uncompacted(topics).catch((error): ReadonlySet<string> => {
      this.#options.log.debug(
        { err: error },
        "cleanup policies unknown: skipped offsets cannot be told from compaction",
      );
      return new Set();
    });
    await this.#consumer.connect();
    if (this.#closing.signal.aborted) return;
    await this.#consumer.run(topics, (batch) => this.#onBatch(batch, uncompacted.has(batch.topic)));
    const { handlers, clock, log, stallPollMs, identityPollMs } = this.#options;
    const { signal } = this.#closing;
    const shared = { runs: () => this.#owned.runs, admin: this.#admin, clock, log, signal };
    const isEmptyAt = (target: PartitionOffset): Promise<boolean> => this.#consumer.isEmptyAt(target);
    void watchPositions({ ...shared, isEmptyAt, handlers, pollMs: stallPollMs });
    void watchTopicIds({ ...shared, ...this.#topics, pollMs: identityPollMs });
  }

  /** How topics are told apart. */
  get #topics(): { readonly identities: LogIdentities; readonly topicIds: TopicIds } {
    const topicIds: TopicIds = (topics) => this.#consumer.topicIds(topics);
    return { identities: this.#identities, topicIds };
  }

  #marked(offsets: readonly PartitionOffset[]): MarkedOffset[] {
    return offsets.map((one) => ({ ...one, metadata: this.#identities.metadataOf(this.#owned.get(one)) }));
  }

  #createRun(partition: Partition): PartitionRun {
    const { handlers, subscriptions, tuning, clock, random, log } = this.#options;
    return new PartitionRun({
      partition,
      feed: {
        pause: () => this.#consumer.pause([partition]),
        resume: (offset) => {
          this.#consumer.seek({ ...partition, offset });
          this.#consumer.resume([partition]);
        },
      },
      handlers,
      decode: (record) => subscriptions.decode(record),
      deadLetters: this.#deadLetters,
      tuning,
      clock,
      random,
      log,
      onSettled: () => this.#commits.touch(),
    });
  }

  /** Runs inside kafkajs' join, before anything of the new assignment is fetched. */
  #onJoined(membership: Membership): void {
    if (this.#closing.signal.aborted) {
      this.#consumer.pause(membership.partitions);
      return;
    }
    const { handlers, groupId, log } = this.#options;
    const { lost, kept, fresh } = this.#owned.join(membership);
    this.#joined = true;
    this.#lose(lost);
    // kafkajs keeps pauses of partitions that went and came back, and forgets our positions.
    this.#consumer.resume(membership.partitions);
    this.#consumer.pause(membership.partitions.filter((one) => this.#owned.get(one)?.state !== "running"));
    for (const run of kept) this.#consumer.seek({ ...run.partition, offset: run.position });
    handlers.onNotice({ kind: "joined", partitions: this.owned });
    const onShared = (error: Error): void => this.#finish({ kind: "refused", error });
    void assignPartitions({ runs: fresh, admin: this.#admin, ...this.#topics, groupId, handlers, log, onShared });
    this.#commits.touch();
  }

  #lose(runs: readonly PartitionRun[]): void {
    if (runs.length > 0) this.#options.handlers.onRevoked(runs.map((run) => run.partition));
  }

  #onCrashed(error: Error): void {
    this.#lose(this.#owned.clear());
    this.#finish({ kind: "crashed", error: kafkaError(error, "Consuming"), joined: this.#joined });
  }

  /** Nothing may leave it but an error with which kafkajs rejoins. */
  async #onBatch(batch: KafkaBatch, uncompacted: boolean): Promise<void> {
    const { generation } = this.#owned;
    const run = this.#owned.get(batch);
    if (run === undefined) return;
    await run.caughtUp();
    if (uncompacted && skips(batch, run)) {
      const { partition, position } = run;
      void run.gap({ partition, from: position, to: batch.first ?? position, cause: "skipped" });
      return;
    }
    const { clock, consumerTuning, log } = this.#options;
    const everyMs = consumerTuning.heartbeatIntervalMs / 2;
    const heartbeats = startHeartbeats({ beat: () => batch.heartbeat(), everyMs, clock });
    const ours = (): boolean => generation === this.#owned.generation && !this.#closing.signal.aborted;
    const goOn = (): boolean => ours() && heartbeats.lost === undefined && !batch.stale();
    await run.deliver({ batch, goOn, onTaken: (next) => (ours() ? batch.resolve(next) : undefined) });
    heartbeats.stop();
    if (heartbeats.lost === undefined) return;
    // The broker takes commits of the old generation until all members have joined the new one.
    await this.#commits
      .flush((offsets) => batch.commit(this.#marked(offsets)))
      .catch((error) => log.debug({ err: error }, "offsets were not committed before the rebalance"));
    throw heartbeats.lost;
  }

  #onFiltered(partition: Partition, next: bigint): void {
    const { generation } = this.#owned;
    void this.#owned.get(partition)?.deliver({
      batch: { size: 0, record: nothing, next, end: next },
      goOn: () => generation === this.#owned.generation,
      onTaken: () => {},
    });
  }

  /** kafkajs resets the position by itself, without a word and with a commit; we look first, and answer the gap. */
  async #onOutOfRange(partition: Partition): Promise<void> {
    const run = this.#owned.get(partition);
    if (run === undefined || run.state !== "running") return;
    this.#consumer.pause([partition]);
    for (let attempt = 1; run.state === "running"; attempt += 1) {
      try {
        const bounds = (await this.#admin.bounds(partition.topic)).find((one) => one.partition === partition.partition);
        const gap = bounds === undefined ? undefined : gapBetween(partition, run.position, bounds);
        if (gap === undefined) run.seek(run.position);
        else await run.gap(gap);
        return;
      } catch (error) {
        await run.pauseFor(attempt, error);
      }
    }
  }

  /** A topic that was missing at the start joins by a new consumer; kafkajs cannot subscribe while it runs. */
  async #watchTopics(present: readonly string[]): Promise<void> {
    const missing = this.#options.subscriptions.topics.filter((topic) => !present.includes(topic));
    const { signal } = this.#closing;
    if (missing.length > 0) this.#options.handlers.onNotice({ kind: "waiting", reason: waitingFor(missing) });
    while (missing.length > 0 && !signal.aborted) {
      await this.#options.clock.sleep(this.#options.topicPollMs, signal).catch(() => {});
      const existing = await this.#admin.listTopics().catch((): ReadonlyMap<string, number> => new Map());
      if (signal.aborted || !missing.some((topic) => existing.has(topic))) continue;
      this.#finish({ kind: "recycled" });
      return;
    }
  }
}

/** A batch that was asked for at our very position and begins behind it. */
function skips(batch: KafkaBatch, run: PartitionRun): boolean {
  const { first, fetched } = batch;
  return run.state === "running" && fetched === run.position && first !== undefined && first > fetched;
}

function nothing(): never {
  throw new RangeError("a batch without records");
}
