import { createInvalidator, type Invalidator } from "@unstale/cache-core";
import type { LogRange, LogReading, PositionedChange, SourceRecord, Subscriptions } from "../../consumers/index.ts";
import { coalesce } from "../coalesce.ts";
import { openStore, subscriptionsOf } from "../connections.ts";
import { createDeployment } from "../deployment.ts";
import { workerError } from "../errors.ts";
import type { Surroundings } from "../surroundings.ts";
import { chosenTopics, withKafka } from "./kafka-tools.ts";
import { parseBound, rangesOf, type Stretch } from "./range.ts";
import { type CommonOptions, configOf } from "./settings.ts";
import { table } from "./table.ts";

export interface ReplayOptions extends CommonOptions {
  readonly from: string;
  readonly to?: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly apply?: true;
}

/** What was found in a range, and invalidated if it was asked for. */
export interface Replayed {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  readonly records: number;
  /** Documents, each once for its page. */
  readonly documents: number;
  /** Namespaces, or everything. */
  readonly scopes: number;
  /** Records that cannot be read; what they name is invalidated as far as it can be made out. */
  readonly unreadable: number;
}

/**
 * Reads a stretch of the topics beside the group and invalidates what its events name, straight in Valkey. Moves no offset
 * and no account of what was applied: the workers go on where they are, and doing it twice only costs misses (I6).
 */
export async function replay(surroundings: Surroundings, options: ReplayOptions): Promise<number> {
  const config = configOf(surroundings, options);
  const topics = chosenTopics(config, options.topic);
  const stretch = stretchOf(options, surroundings.clock.now(), topics);
  const subscriptions = subscriptionsOf(config);
  const { store } = openStore(config);
  const invalidator = options.apply ? createInvalidator({ store }) : undefined;
  try {
    if (invalidator !== undefined) await createDeployment(store, config).agree();
    const done = await withKafka(config, async ({ admin, reader }) => {
      const ranges = (await Promise.all(topics.map((topic) => rangesOf(admin, topic, stretch)))).flat();
      const results: Replayed[] = [];
      for (const range of ranges) {
        const onPage = (next: bigint): void => {
          if (surroundings.isTerminal && !options.json)
            surroundings.complain(
              `${range.topic}/${range.partition}: ${next - range.from} of ${range.to - range.from}\r`,
            );
        };
        results.push(await replayRange(range, { reader, subscriptions, invalidator, onPage }));
      }
      return results;
    });
    const applied = invalidator !== undefined;
    surroundings.print(options.json ? `${JSON.stringify({ applied, partitions: done })}\n` : describe(done, applied));
    return 0;
  } finally {
    invalidator?.stop();
    await store.close();
  }
}

function stretchOf(options: ReplayOptions, now: number, topics: readonly string[]): Stretch {
  const from = parseBound("--from", options.from, now);
  const to = options.to === undefined ? undefined : parseBound("--to", options.to, now);
  const { partition } = options;
  const offsets = [from, to].flatMap((bound) => (bound?.kind === "offset" ? [bound.offset] : []));
  // 0 is where every partition begins.
  if (offsets.every((offset) => offset === 0n)) return { from, to, partition };
  const missing = topics.length > 1 ? "--topic" : partition === undefined ? "--partition" : undefined;
  if (missing !== undefined) {
    throw workerError(
      "UNSTALE_USAGE",
      `An offset counts in one partition only: name it with ${missing}, or give times.`,
    );
  }
  return { from, to, partition };
}

export interface ReplayRangeOptions {
  readonly reader: Pick<LogReading, "read">;
  readonly subscriptions: Pick<Subscriptions, "decode">;
  /** Absent: nothing is invalidated. */
  readonly invalidator: Pick<Invalidator, "invalidate"> | undefined;
  readonly onPage: (next: bigint) => void;
}

export async function replayRange(range: LogRange, options: ReplayRangeOptions): Promise<Replayed> {
  const { reader, subscriptions, invalidator, onPage } = options;
  const { topic, partition, from, to } = range;
  const sum = { records: 0, documents: 0, scopes: 0, unreadable: 0 };
  for await (const { records, next } of reader.read(range)) {
    const { changes, unreadable } = changesIn(records, subscriptions);
    const { documents, scopes } = coalesce(changes);
    if (invalidator !== undefined && documents.length + scopes.length > 0) {
      // Without offsets: these would be compared with what was applied, and skipped.
      const raised = scopes.map(({ namespace }) => (namespace === undefined ? {} : { namespace }));
      const reply = await invalidator.invalidate({ documents, scopes: raised });
      if (reply.kind === "applied") await reply.settled;
    }
    sum.records += records.length;
    sum.documents += documents.length;
    sum.scopes += scopes.length;
    sum.unreadable += unreadable;
    onPage(next);
  }
  return { topic, partition, from: Number(from), to: Number(to), ...sum };
}

function changesIn(
  records: readonly SourceRecord[],
  subscriptions: Pick<Subscriptions, "decode">,
): { readonly changes: readonly PositionedChange[]; readonly unreadable: number } {
  const decoded = records.map((record) => ({ record, decoded: subscriptions.decode(record) }));
  return {
    changes: decoded.flatMap(({ record, decoded: { changes } }) =>
      changes.map((change) => ({ change, offset: record.offset, occurredAt: record.timestamp })),
    ),
    unreadable: decoded.filter((each) => each.decoded.kind === "failure").length,
  };
}

function describe(done: readonly Replayed[], applied: boolean): string {
  const rows = done.map(({ topic, partition, from, to, records, documents, scopes, unreadable }) => [
    `${topic}/${partition}`,
    ...[from, to, records, documents, scopes, unreadable].map(String),
  ]);
  const text = table(["partition", "from", "to", "records", "documents", "scopes", "unreadable"], rows);
  return `${text}${applied ? "invalidated" : "nothing was invalidated; --apply does it"}\n`;
}
