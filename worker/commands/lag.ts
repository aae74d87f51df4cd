import type { CacheStore, Clock } from "@unstale/cache-core";
import type { KafkaAdmin, LogReading, Partition } from "../../consumers/index.ts";
import { openStore } from "../connections.ts";
import type { Surroundings } from "../surroundings.ts";
import { chosenTopics, withKafka } from "./kafka-tools.ts";
import { type CommonOptions, configOf } from "./settings.ts";
import { table } from "./table.ts";

export interface LagOptions extends CommonOptions {
  readonly topic?: string;
}

/** How far a partition is. Offsets are the next ones: `committed` 7 means that 6 is done. */
export interface PartitionStanding extends Partition {
  /** Null where the group has none. */
  readonly committed: number | null;
  /** What Valkey says was applied, of the bucket that is furthest behind; null where it knows nothing. */
  readonly applied: number | null;
  readonly end: number;
  /** Records that are not committed. */
  readonly records: number;
  /** Age of the oldest of them. */
  readonly seconds: number;
}

/** Prints for each partition what is committed, what is applied, and what is still to come. */
export async function lag(surroundings: Surroundings, options: LagOptions): Promise<number> {
  const config = configOf(surroundings, options);
  const topics = chosenTopics(config, options.topic);
  const { store } = openStore(config);
  try {
    const partitions = await withKafka(config, async ({ admin, reader }) => {
      const asked = { admin, reader, store, groupId: config.kafkaGroupId, clock: surroundings.clock };
      return (await Promise.all(topics.map((topic) => standingsOf(topic, asked)))).flat();
    });
    const records = partitions.reduce((sum, one) => sum + one.records, 0);
    const seconds = Math.max(0, ...partitions.map((one) => one.seconds));
    surroundings.print(options.json ? `${JSON.stringify({ records, seconds, partitions })}\n` : describe(partitions));
    return 0;
  } finally {
    await store.close();
  }
}

interface Asked {
  readonly admin: Pick<KafkaAdmin, "bounds" | "committed">;
  readonly reader: Pick<LogReading, "read">;
  readonly store: Pick<CacheStore, "heartbeat">;
  readonly groupId: string;
  readonly clock: Pick<Clock, "now">;
}

export async function standingsOf(topic: string, asked: Asked): Promise<readonly PartitionStanding[]> {
  const { admin, store, groupId } = asked;
  const [bounds, committed] = await Promise.all([admin.bounds(topic), admin.committed(groupId, [topic])]);
  const partitions = bounds.map(({ partition }) => ({ topic, partition }));
  // Lag is wanted most when something is down: what Valkey does not say is left out.
  const beat = await store.heartbeat({ bucket: 0, partitions }).catch(() => undefined);
  return await Promise.all(
    bounds.map(async ({ partition, low, end }, index) => {
      const offset = committed.find((one) => one.partition === partition)?.offset;
      const from = offset === undefined || offset < low ? low : offset;
      const records = end > from ? Number(end - from) : 0;
      return {
        topic,
        partition,
        committed: offset === undefined ? null : Number(offset),
        applied: (beat?.kind === "alive" ? beat.applied[index] : undefined) ?? null,
        end: Number(end),
        records,
        seconds: records === 0 ? 0 : await ageOf({ topic, partition, from, to: end }, asked),
      };
    }),
  );
}

type Range = Parameters<LogReading["read"]>[0];

/** Of the first record that a range has. Offsets without one (markers, compaction) are passed over. */
async function ageOf(range: Range, { reader, clock }: Pick<Asked, "reader" | "clock">): Promise<number> {
  for await (const { records } of reader.read(range)) {
    const first = records[0];
    if (first !== undefined) return Math.max(0, Math.round((clock.now() - first.timestamp) / 1_000));
  }
  return 0;
}

function describe(partitions: readonly PartitionStanding[]): string {
  const rows = partitions.map(({ topic, partition, committed, applied, end, records, seconds }) => [
    `${topic}/${partition}`,
    ...[committed ?? "-", applied ?? "-", end, records, `${seconds} s`].map(String),
  ]);
  return table(["partition", "committed", "applied", "end", "lag", "age"], rows);
}
