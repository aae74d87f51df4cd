import { trace } from "@opentelemetry/api";
import { createInvalidator, createMemoryStore, type Invalidator, type MemoryStore } from "@unstale/cache-core";
import { pino } from "pino";
import type { TopicSetting } from "../../../config/index.ts";
import type { ChangeEvent } from "../../../consumers/change-event.ts";
import type { Slice } from "../../../consumers/change-source.ts";
import { createAssignment } from "../../../worker/assignment.ts";
import { createGapPolicies } from "../../../worker/gap-policy.ts";
import type { Logger } from "../../../worker/logger.ts";
import type { Hole, WorkerMetrics } from "../../../worker/metrics.ts";
import { createPipeline } from "../../../worker/pipeline.ts";
import { createPositions } from "../../../worker/positions.ts";
import { createSliceTracing } from "../../../worker/slice-tracing.ts";
import { createWidening } from "../../../worker/widening.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { type ScriptedStore, scriptedStore } from "../../support/scripted-store.ts";

export const silent: Logger = pino({ level: "silent" });

/** Adds up what the worker measures, by metric and attributes. */
export interface CountedMetrics extends WorkerMetrics {
  readonly holes: readonly Hole[];
  total(metric: string, attributes?: Readonly<Record<string, unknown>>): number;
}

export function countedMetrics(): CountedMetrics {
  const holes: Hole[] = [];
  const seen: { readonly metric: string; readonly value: number; readonly attributes: object }[] = [];
  return {
    add: (metric, attributes = {}, value = 1) => void seen.push({ metric, value, attributes }),
    record: (metric, ms, attributes = {}) => void seen.push({ metric, value: ms, attributes }),
    missed: (hole) => void holes.push(hole),
    observe: () => undefined,
    holes,
    total: (metric, wanted = {}) =>
      seen
        .filter((each) => each.metric === metric)
        .filter(({ attributes }) =>
          Object.entries(wanted).every(([name, value]) => Reflect.get(attributes, name) === value),
        )
        .reduce((sum, { value }) => sum + value, 0),
  };
}

export type Scene = ReturnType<typeof createScene>;

type TopicPolicy = Partial<Pick<TopicSetting, "feeds" | "onGap">>;

/** The worker's inner parts on a store in memory, with a clock that stands still. */
export function createScene(
  options: {
    readonly invalidator?: Invalidator;
    readonly foreignWriters?: boolean;
    readonly topic?: TopicPolicy;
    readonly buckets?: number;
  } = {},
) {
  const clock = new ManualClock();
  const { buckets = 1 } = options;
  const memory: MemoryStore = createMemoryStore({ clock, layout: { buckets } });
  const store: ScriptedStore = scriptedStore(memory);
  const invalidator = options.invalidator ?? createInvalidator({ store, buckets, clock, attempts: 1 });
  const positions = createPositions();
  const metrics = countedMetrics();
  const tracing = createSliceTracing(trace.getTracer("test"), "group");
  const shared = { store, invalidator, buckets, positions, metrics, clock, log: silent };
  const topic: TopicSetting = { name: place.topic, format: "json", wide: false, onGap: "invalidate", ...options.topic };
  const reachOf = createGapPolicies([topic]);
  const widening = createWidening({ ...shared, reachOf, foreignWriters: options.foreignWriters ?? true });
  const pipeline = createPipeline({ ...shared, tracing, random: () => 1 });
  const assignment = createAssignment({ ...shared, pipeline, widening, deploymentId: () => undefined });
  return { ...shared, memory, pipeline, assignment, widening };
}

export const place = { topic: "t", partition: 0 } as const;

export interface SliceOptions {
  readonly first: number;
  readonly next?: number;
  readonly changes?: readonly ChangeEvent[];
  readonly occurredAt?: number;
  readonly signal?: AbortSignal;
}

export function slice({ first, next, changes = [], occurredAt = 0, signal }: SliceOptions): Slice {
  const end = BigInt(next ?? first + Math.max(1, changes.length));
  return {
    ...place,
    changes: changes.map((change, index) => ({ change, offset: BigInt(first + index), occurredAt })),
    first: BigInt(first),
    next: end,
    records: Math.max(1, changes.length),
    readable: Array.from({ length: Math.max(1, changes.length) }, (_, index) => BigInt(first + index)),
    traces: [],
    end,
    signal: signal ?? new AbortController().signal,
  };
}

export function documents(...ids: readonly string[]): readonly ChangeEvent[] {
  return ids.map((id) => ({ kind: "document", id }));
}

/** What Valkey says was applied of the one partition. */
export async function appliedIn(store: Pick<MemoryStore, "heartbeat">): Promise<number | undefined> {
  const reply = await store.heartbeat({ bucket: 0, partitions: [place] });
  return reply.kind === "alive" ? reply.applied[0] : undefined;
}

/** Writes an entry as a producer would, and tells whether it is still served. */
export async function entry(
  store: MemoryStore,
  given: { readonly query: string; readonly sources: readonly string[]; readonly namespace?: string | undefined },
): Promise<{ isServed(): Promise<boolean> }> {
  const { query, sources, namespace } = given;
  const scope = { bucket: 0, ...(namespace === undefined ? {} : { namespace }) };
  const opened = await store.open(scope);
  if (opened.kind !== "open") throw new Error("no state");
  const lease = opened.snapshot;
  const reply = await store.commit({ ...scope, query, response: "answer", sources, ttlMs: 60_000, lease });
  if (reply.kind !== "written") throw new Error(`not written: ${reply.reason}`);
  return { isServed: async () => (await store.read({ ...scope, query, versions: lease.versions })).kind === "hit" };
}
