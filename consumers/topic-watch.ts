import type { Clock } from "@unstale/cache-core";
import type { KafkaAdminClient, TopicIds } from "./kafka-types.ts";
import type { Log } from "./log.ts";
import type { LogIdentities } from "./log-identities.ts";
import type { PartitionRun } from "./partition-run.ts";

export interface TopicWatchOptions {
  readonly runs: () => Iterable<PartitionRun>;
  readonly identities: LogIdentities;
  readonly topicIds: TopicIds;
  readonly admin: Pick<KafkaAdminClient, "bounds">;
  readonly pollMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * A topic that is deleted, made anew and filled beyond our position looks to kafkajs like the one before: it reads on in the
 * middle of another log. Its id tells. The commits of a run carry the id that the run began with, so what is committed
 * between the change and the next look is recognised by whoever takes the partition over. Resolves when aborted.
 */
export async function watchTopicIds(options: TopicWatchOptions): Promise<void> {
  const { clock, pollMs, signal, log } = options;
  while (!signal.aborted) {
    await clock.sleep(pollMs, signal).catch(() => {});
    if (signal.aborted) return;
    try {
      await poll(options);
    } catch (error) {
      // An outage, which others report; the next look sees.
      log.debug({ err: error }, "topic ids could not be checked");
    }
  }
}

async function poll({ runs, identities, topicIds, admin }: TopicWatchOptions): Promise<void> {
  const running = [...runs()].filter((run) => isReading(run) && identities.of(run) !== undefined);
  if (running.length === 0) return;
  const ids = await topicIds([...new Set(running.map((run) => run.partition.topic))]);
  for (const [topic, id] of ids ?? []) {
    const strange = running.filter((run) => run.partition.topic === topic && identities.of(run) !== id);
    if (strange.length === 0) continue;
    // After the id: should the topic change once more in between, the next look sees it.
    const bounds = await admin.bounds(topic);
    for (const run of strange.filter(isReading)) {
      const low = bounds.find(({ partition }) => partition === run.partition.partition)?.low;
      if (low === undefined) continue;
      const { partition, position } = run;
      void run.gap({ partition, from: position, to: low, cause: "recreated" });
      // Nothing is committed until the gap is answered; what is committed then counts in the new log.
      identities.remember(run, id);
    }
  }
}

function isReading({ state }: PartitionRun): boolean {
  return state === "running" || state === "held" || state === "full";
}
