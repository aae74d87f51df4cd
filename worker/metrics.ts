import type { Attributes, Counter, Histogram, Meter, ObservableGauge } from "@opentelemetry/api";

interface MetricKind {
  readonly name: string;
  readonly kind: "counter" | "histogram" | "gauge";
  readonly unit: string;
  readonly description: string;
  /** Attribute names; their values come from closed lists or from the settings, never from documents or namespaces. */
  readonly attributes: readonly string[];
}

/** Every metric of the worker. docs/telemetry.md shows the same table (a test compares them). */
export const workerMetrics = {
  eventToUnservable: {
    name: "unstale.worker.event_to_unservable",
    kind: "histogram",
    unit: "s",
    description: "From a change (as its event says, else its record's time) until nothing built from it is served.",
    attributes: ["topic"],
  },
  sliceDuration: {
    name: "unstale.worker.slice.duration",
    kind: "histogram",
    unit: "s",
    description: "How long a slice took to be applied, by outcome.",
    attributes: ["topic", "outcome"],
  },
  records: {
    name: "unstale.worker.records",
    kind: "counter",
    unit: "{record}",
    description:
      "Records by outcome, one for each time that one was read to its end: applied; duplicate (applied before); dead-lettered; missed (lost in the log before it could be read).",
    attributes: ["topic", "outcome"],
  },
  documents: {
    name: "unstale.worker.documents",
    kind: "counter",
    unit: "{document}",
    description: "Documents invalidated, each once for its slice.",
    attributes: ["topic"],
  },
  scopes: {
    name: "unstale.worker.scopes",
    kind: "counter",
    unit: "{scope}",
    description: "Version tags raised, of namespaces or of everything.",
    attributes: ["topic"],
  },
  entriesDeleted: {
    name: "unstale.worker.entries.deleted",
    kind: "counter",
    unit: "{entry}",
    description: "Entries deleted: at the barrier, by drains and scans after it, or by drains that somebody else left.",
    attributes: ["phase"],
  },
  deadLetters: {
    name: "unstale.worker.dead_letters",
    kind: "counter",
    unit: "{record}",
    description: "Records sent to a dead-letter topic, by reason.",
    attributes: ["topic", "reason"],
  },
  barriers: {
    name: "unstale.worker.barriers",
    kind: "counter",
    unit: "{barrier}",
    description:
      "Times that changes may have been missed, by reason, and what was invalidated: everything, namespaces or nothing.",
    attributes: ["topic", "reason", "reach"],
  },
  missedFrom: {
    name: "unstale.worker.missed.from",
    kind: "gauge",
    unit: "{offset}",
    description:
      "Where the last hole in a partition began: the offset that would have been next. Absent where none was.",
    attributes: ["topic", "partition"],
  },
  missedTo: {
    name: "unstale.worker.missed.to",
    kind: "gauge",
    unit: "{offset}",
    description:
      "Where it ended: the offset with which the partition went on; below the other where a log begins anew.",
    attributes: ["topic", "partition"],
  },
  rollbacks: {
    name: "unstale.worker.rollbacks",
    kind: "counter",
    unit: "{rollback}",
    description: "Times that Valkey fell back behind what was applied, and a partition was replayed.",
    attributes: ["topic"],
  },
  gaps: {
    name: "unstale.worker.gaps",
    kind: "counter",
    unit: "{gap}",
    description: "Times that events were lost in the log before they were seen, by cause.",
    attributes: ["topic", "cause"],
  },
  births: {
    name: "unstale.worker.births",
    kind: "counter",
    unit: "{birth}",
    description: "Times that a bucket's state was lost and is new.",
    attributes: [],
  },
  heartbeatFailures: {
    name: "unstale.worker.heartbeat.failures",
    kind: "counter",
    unit: "{heartbeat}",
    description: "Heartbeats that Valkey did not answer.",
    attributes: [],
  },
  drains: {
    name: "unstale.worker.drains",
    kind: "gauge",
    unit: "{drain}",
    description: "Dependency sets being deleted now.",
    attributes: [],
  },
  lag: {
    name: "unstale.worker.lag",
    kind: "gauge",
    unit: "{record}",
    description: "Records that are not committed yet.",
    attributes: ["topic", "partition"],
  },
  partitions: {
    name: "unstale.worker.partitions",
    kind: "gauge",
    unit: "{partition}",
    description: "Partitions that this worker owns, and how many of them are paused.",
    attributes: ["state"],
  },
  fences: {
    name: "unstale.worker.fences",
    kind: "gauge",
    unit: "{document}",
    description: "Documents whose last change is remembered.",
    attributes: ["bucket"],
  },
  floorAge: {
    name: "unstale.worker.floor.age",
    kind: "gauge",
    unit: "s",
    description: "How far back changes are remembered: writes on older leases are refused.",
    attributes: ["bucket"],
  },
  freshnessAge: {
    name: "unstale.worker.freshness.age",
    kind: "gauge",
    unit: "s",
    description:
      "How long ago it was last confirmed that nothing in the log is missing: reads with a shorter `maxStaleness` miss. Absent where it is not known.",
    attributes: ["bucket"],
  },
  ready: {
    name: "unstale.worker.ready",
    kind: "gauge",
    unit: "1",
    description: "1 when the worker is ready, else 0.",
    attributes: [],
  },
} as const satisfies Record<string, MetricKind>;

export type WorkerMetric = keyof typeof workerMetrics;
type OfKind<Kind> = {
  [Name in WorkerMetric]: (typeof workerMetrics)[Name]["kind"] extends Kind ? Name : never;
}[WorkerMetric];

export interface Observation {
  readonly value: number;
  readonly attributes?: Attributes;
}

export interface Hole {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

export interface WorkerMetrics {
  add(metric: OfKind<"counter">, attributes?: Attributes, value?: number): void;
  /** In ms; recorded in seconds. */
  record(metric: OfKind<"histogram">, ms: number, attributes?: Attributes): void;
  /** Keeps the last hole of each partition, for the gauges of it. */
  missed(hole: Hole): void;
  /** Asked at each scrape; what it throws is no observation. */
  observe(metric: OfKind<"gauge">, observations: () => readonly Observation[]): void;
}

/** Seconds: from a Valkey on the same machine to an outage of an hour. */
const boundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600];

export function createWorkerMetrics(meter: Meter): WorkerMetrics {
  const counters = new Map<WorkerMetric, Counter>();
  const histograms = new Map<WorkerMetric, Histogram>();
  const gauges = new Map<WorkerMetric, ObservableGauge>();
  for (const [metric, { name, kind, unit, description }] of Object.entries(workerMetrics) as [
    WorkerMetric,
    MetricKind,
  ][]) {
    const options = { unit, description };
    if (kind === "counter") counters.set(metric, meter.createCounter(name, options));
    else if (kind === "gauge") gauges.set(metric, meter.createObservableGauge(name, options));
    else
      histograms.set(
        metric,
        meter.createHistogram(name, { ...options, advice: { explicitBucketBoundaries: boundaries } }),
      );
  }
  const observe: WorkerMetrics["observe"] = (metric, observations) =>
    gauges.get(metric)?.addCallback((result) => {
      for (const { value, attributes } of observations()) result.observe(value, attributes);
    });
  const holes = new Map<string, Hole>();
  const ofHoles = (bound: "from" | "to") => (): readonly Observation[] =>
    [...holes.values()].map(({ topic, partition, [bound]: value }) => ({ value, attributes: { topic, partition } }));
  observe("missedFrom", ofHoles("from"));
  observe("missedTo", ofHoles("to"));
  return {
    add: (metric, attributes, value = 1) => counters.get(metric)?.add(value, attributes),
    record: (metric, ms, attributes) => histograms.get(metric)?.record(ms / 1_000, attributes),
    missed: (hole) => void holes.set(`${hole.topic}/${hole.partition}`, hole),
    observe,
  };
}
