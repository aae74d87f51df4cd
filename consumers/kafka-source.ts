/**
 * Changes from Kafka, at least once all the way.
 *
 * Nouns. A *session* (`kafka-session.ts`) is one consumer, from connect to its last word; a *run* (`partition-run.ts`) is
 * one partition while it is ours; a *slice* is what the handlers get of it; the *tracker* (`offset-tracker.ts`) knows what
 * of a run has settled; the *commit loop* tells the group.
 *
 * States of the source: idle -> running -> stopping -> stopped, and running -> failed. While it runs, sessions follow one
 * another: a crash ends one and, after a backoff, the next one begins with a new client (kafkajs keeps pauses, positions
 * and timers inside, and some of its crashes kill it for good). Outages are waited out for ever; other crashes are
 * counted, and too many of them, or refused credentials before anything ever worked, end in `failed`.
 *
 * Ordering, for one partition: fetched -> decoded -> applied (`onSlice`) -> dead letters acknowledged -> the next slice ->
 * ... -> settled -> the watermark passes -> committed. Nothing is committed that has not settled, whatever happens
 * between any two of these: a crash, a lost partition or a rewind only lets slices be delivered again. Between partitions
 * there is no order.
 *
 * On failure. A handler that fails, a store that is down or a dead-letter topic that cannot be written pauses its
 * partition, keeps the membership, and is tried again by the very slice that failed. Offsets that are gone (retention,
 * a recreated topic) are a gap: the handlers answer it (I5) before anything behind it is delivered or committed. A
 * rebalance lets the slice under way finish, commits, and rejoins; partitions that stay ours go on where they were.
 */
import { type Clock, systemClock } from "@unstale/cache-core";
import type { Random } from "./backoff.ts";
import type { ChangeHandlers, ChangeSource, Partition, PartitionLag, PartitionOffset } from "./change-source.ts";
import { consumerError } from "./errors.ts";
import { type CreateKafkaClient, createKafkaClient } from "./kafka-client.ts";
import { kafkaSettings } from "./kafka-config.ts";
import { KafkaSession } from "./kafka-session.ts";
import type { ConsumerTuning, KafkaClient, KafkaConnection } from "./kafka-types.ts";
import { type Log, silentLog } from "./log.ts";
import { LogEnds } from "./log-ends.ts";
import type { Subscriptions } from "./subscriptions.ts";
import {
  type Decision,
  defaultSupervision,
  isOutage,
  type SessionEnd,
  Supervision,
  type SupervisionPolicy,
} from "./supervision.ts";
import { defaultTuning, type Tuning } from "./tuning.ts";

export interface KafkaSourceOptions {
  readonly connection: KafkaConnection;
  readonly groupId: string;
  readonly subscriptions: Subscriptions;
  /** Create `<topic>.dlq` where it is missing. Default true; where it is forbidden, a warning. */
  readonly createDeadLetterTopics?: boolean | undefined;
  /**
   * For whom this source works: a word without spaces. Commits carry it, it comes back with `AssignedPartition.owner`, and a
   * group whose members work for somebody else is refused. Absent: nobody is told, and nobody asked.
   */
  readonly owner?: string | undefined;
  readonly tuning?: Partial<Tuning> | undefined;
  readonly consumerTuning?: Partial<ConsumerTuning> | undefined;
  readonly supervision?: Partial<SupervisionPolicy> | undefined;
  /** How often positions are compared with the ends of the logs. Default 5 s; three times without a move is a stall. */
  readonly stallPollMs?: number | undefined;
  /** How often it is looked whether a topic is still the same one. Default 1 s. */
  readonly identityPollMs?: number | undefined;
  readonly log?: Log | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** For tests. */
  readonly createClient?: CreateKafkaClient | undefined;
}

export const defaultConsumerTuning: ConsumerTuning = {
  // Also how long the partitions of a killed worker wait for the others.
  sessionTimeoutMs: 12_000,
  heartbeatIntervalMs: 3_000,
  rebalanceTimeoutMs: 60_000,
  // A stop waits for a fetch under way, and a resumed partition for the next one.
  maxWaitMs: 500,
  // Records become objects when they are fetched, many at once: more of them is more memory, and no faster.
  maxBytesPerPartition: 262_144,
  metadataMaxAgeMs: 10_000,
  partitionsConcurrently: 8,
};

/** @throws UnstaleError `UNSTALE_KAFKA_OPTIONS` when the connection cannot be right. */
export function createKafkaSource(options: KafkaSourceOptions): ChangeSource {
  kafkaSettings(options.connection);
  return new KafkaSource(options);
}

class KafkaSource implements ChangeSource {
  readonly #options: KafkaSourceOptions;
  readonly #clock: Clock;
  readonly #supervision: Supervision;
  readonly #stopping = new AbortController();
  readonly #logEnds: LogEnds;
  #closingEnds: Promise<void> | undefined;
  #session: KafkaSession | undefined;
  #supervised: Promise<void> | undefined;
  #drainMs = 0;
  #drained = true;

  constructor(options: KafkaSourceOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logEnds = new LogEnds(() => this.#sideClient(), this.#clock);
    this.#supervision = new Supervision(
      { ...defaultSupervision, ...options.supervision },
      options.random ?? Math.random,
    );
  }

  /**
   * Keeps trying while Kafka cannot be reached or no topic exists, with notices. Rejects with `UNSTALE_KAFKA_*` when it
   * gave up, and with `UNSTALE_SOURCE_STOPPED` when it was stopped before it joined.
   */
  start(handlers: ChangeHandlers): Promise<void> {
    if (this.#supervised !== undefined || this.#stopping.signal.aborted) {
      return Promise.reject(consumerError("UNSTALE_SOURCE_STARTED", "This source was started or stopped before."));
    }
    return new Promise((resolve, reject) => {
      const watching: ChangeHandlers = {
        ...bound(handlers),
        onNotice: (notice) => {
          if (notice.kind === "joined") resolve();
          handlers.onNotice(notice);
        },
      };
      this.#supervised = this.#supervise(watching).then(() => reject(stopped()), reject);
    });
  }

  async stop({ drainMs }: { readonly drainMs: number }): Promise<{ readonly drained: boolean }> {
    if (!this.#stopping.signal.aborted) {
      this.#drainMs = drainMs;
      this.#stopping.abort();
      this.#closingEnds = this.#logEnds.close();
      void this.#session?.close(drainMs);
    }
    await this.#supervised;
    await this.#closingEnds;
    return { drained: this.#drained };
  }

  seek(target: PartitionOffset): void {
    this.#session?.seek(target);
  }

  owned(): readonly Partition[] {
    return this.#session?.owned ?? [];
  }

  async lag(): Promise<readonly PartitionLag[]> {
    return (await this.#session?.lag()) ?? [];
  }

  ends(): Promise<readonly PartitionOffset[]> {
    if (this.#stopping.signal.aborted) return Promise.reject(stopped());
    return this.#logEnds.of(this.#options.subscriptions.topics);
  }

  /** Resolves when stopped; rejects when it gave up. */
  async #supervise(handlers: ChangeHandlers): Promise<void> {
    let waitingFor: string | undefined;
    while (!this.#stopping.signal.aborted) {
      const end = await this.#runSession(handlers);
      if (end.kind === "waiting" && end.reason !== waitingFor) handlers.onNotice(end);
      waitingFor = end.kind === "waiting" ? end.reason : undefined;
      const decision = this.#supervision.decide(end, this.#clock.now());
      if (decision.kind === "stop") return;
      this.#tell(end, decision, handlers);
      if (decision.kind === "give-up") throw decision.error;
      await this.#clock.sleep(decision.afterMs, this.#stopping.signal).catch(() => {});
    }
  }

  async #runSession(handlers: ChangeHandlers): Promise<SessionEnd> {
    const session = new KafkaSession(this.#sessionOptions(handlers));
    this.#session = session;
    void session.open();
    const end = await session.ended;
    // A crashed session has nothing left to drain; one that makes room for the next takes the time of a slice.
    const { sliceTimeoutMs } = { ...defaultTuning, ...this.#options.tuning };
    const stopping = this.#stopping.signal.aborted;
    const drainMs = stopping ? this.#drainMs : end.kind === "recycled" ? sliceTimeoutMs : 0;
    this.#drained = await session.close(drainMs);
    this.#session = undefined;
    return end;
  }

  #tell(end: SessionEnd, decision: Decision, handlers: ChangeHandlers): void {
    const log = this.#options.log ?? silentLog;
    if (end.kind !== "crashed" && end.kind !== "refused") return;
    const { error } = end;
    if (decision.kind === "give-up") {
      log.error({ err: decision.error }, "consuming failed for good");
      handlers.onNotice({ kind: "failed", error: decision.error });
    } else if (decision.kind === "begin") {
      const { afterMs, attempt } = decision;
      log.warn({ err: error, afterMs, attempt }, "consuming ended, beginning anew");
      if (isOutage(error)) handlers.onNotice({ kind: "disconnected", error });
      handlers.onNotice({ kind: "restarting", error, afterMs, attempt });
    }
  }

  /** With enough tries to reach the last broker of the list. */
  #sideClient(): KafkaClient {
    const { connection, createClient = createKafkaClient, log = silentLog } = this.#options;
    return createClient({ connection, log, retries: connection.brokers.length });
  }

  #sessionOptions(handlers: ChangeHandlers): ConstructorParameters<typeof KafkaSession>[0] {
    const { connection, groupId, subscriptions, createDeadLetterTopics, owner } = this.#options;
    const { tuning, consumerTuning, supervision, stallPollMs, identityPollMs } = this.#options;
    const log = this.#options.log ?? silentLog;
    const createClient = this.#options.createClient ?? createKafkaClient;
    return {
      consumerClient: () => createClient({ connection, log }),
      sideClient: () => this.#sideClient(),
      groupId,
      subscriptions,
      handlers,
      tuning: { ...defaultTuning, ...tuning },
      consumerTuning: { ...defaultConsumerTuning, ...consumerTuning },
      createDeadLetterTopics: createDeadLetterTopics ?? true,
      owner,
      stallPollMs: stallPollMs ?? 5_000,
      identityPollMs: identityPollMs ?? 1_000,
      topicPollMs: supervision?.topicPollMs ?? defaultSupervision.topicPollMs,
      clock: this.#clock,
      random: this.#options.random ?? Math.random,
      log,
    };
  }
}

function stopped(): Error {
  return consumerError("UNSTALE_SOURCE_STOPPED", "The source was stopped before it joined its group, or answered.");
}

/** Handlers may be methods of a class. */
function bound(handlers: ChangeHandlers): Omit<ChangeHandlers, "onNotice"> {
  return {
    onAssigned: (partitions) => handlers.onAssigned(partitions),
    onRevoked: (partitions) => handlers.onRevoked(partitions),
    onSlice: (slice) => handlers.onSlice(slice),
    onGap: (gap) => handlers.onGap(gap),
  };
}
