import {
  type Attributes,
  type Counter,
  type Histogram,
  metrics,
  type Span,
  SpanStatusCode,
  trace,
  type UpDownCounter,
} from "@opentelemetry/api";

const scope = "@unstale/cache-core";

interface MetricKind {
  readonly name: string;
  readonly kind: "counter" | "histogram" | "gauge";
  readonly unit: string;
  readonly description: string;
  /** Attribute names; their values come from closed lists, never from queries, documents or namespaces. */
  readonly attributes: readonly string[];
}

/** Every metric of this library. docs/telemetry.md shows the same table. */
export const cacheMetrics = {
  reads: {
    name: "unstale.cache.reads",
    kind: "counter",
    unit: "{read}",
    description: "Look-ups: hits, and misses by reason.",
    attributes: ["result", "reason"],
  },
  readDuration: {
    name: "unstale.cache.read.duration",
    kind: "histogram",
    unit: "s",
    description: "How long a look-up took.",
    attributes: ["result"],
  },
  commits: {
    name: "unstale.cache.commits",
    kind: "counter",
    unit: "{commit}",
    description: "Writes: written, or refused by reason; fenced is false for writes without a lease.",
    attributes: ["outcome", "reason", "fenced"],
  },
  commitDuration: {
    name: "unstale.cache.commit.duration",
    kind: "histogram",
    unit: "s",
    description: "How long a write took.",
    attributes: ["outcome"],
  },
  fills: {
    name: "unstale.cache.fills",
    kind: "counter",
    unit: "{fill}",
    description: "Fills that ended, by outcome.",
    attributes: ["outcome"],
  },
  fillDuration: {
    name: "unstale.cache.fill.duration",
    kind: "histogram",
    unit: "s",
    description: "How long a fill computed.",
    attributes: ["outcome"],
  },
  fillsActive: {
    name: "unstale.cache.fills.active",
    kind: "gauge",
    unit: "{fill}",
    description: "Fills that compute now.",
    attributes: [],
  },
  waits: {
    name: "unstale.cache.fill.wait.duration",
    kind: "histogram",
    unit: "s",
    description:
      "How long a caller waited: for a fill of this process (flight), of another (lock), or for its turn (permit).",
    attributes: ["for", "outcome"],
  },
  invalidations: {
    name: "unstale.cache.invalidations",
    kind: "counter",
    unit: "{call}",
    description: "Calls of invalidateSource, invalidateNamespace and invalidateAll.",
    attributes: ["scope", "outcome"],
  },
  invalidationDuration: {
    name: "unstale.cache.invalidation.duration",
    kind: "histogram",
    unit: "s",
    description: "How long an invalidation took, its deletions included.",
    attributes: ["scope", "outcome"],
  },
  swallowed: {
    name: "unstale.cache.errors.swallowed",
    kind: "counter",
    unit: "{error}",
    description: "Store errors that no caller saw, by the step that met them.",
    attributes: ["step"],
  },
} as const satisfies Record<string, MetricKind>;

export type CacheMetric = keyof typeof cacheMetrics;

/** Spans of this library. docs/telemetry.md shows the same table. */
export const cacheSpans = {
  fill: "unstale fill",
  invalidate: "unstale invalidate",
} as const;

/**
 * Counts and spans through the OpenTelemetry API: without a registered SDK they cost a call that does nothing.
 * Instruments are made on first use, since an SDK that is registered later than an instrument does not see it.
 */
export interface Telemetry {
  add(metric: CacheMetric, attributes?: Attributes, value?: number): void;
  /** In ms; recorded in seconds. */
  record(metric: CacheMetric, ms: number, attributes?: Attributes): void;
  /** Runs `work` inside a span that is active meanwhile, so that spans made inside become its children. */
  span<T>(name: keyof typeof cacheSpans, work: (span: Span) => Promise<T>): Promise<T>;
}

export function createTelemetry(): Telemetry {
  const instruments = new Map<CacheMetric, Counter | Histogram | UpDownCounter>();

  const instrument = (metric: CacheMetric): Counter | Histogram | UpDownCounter => {
    const known = instruments.get(metric);
    if (known) return known;
    const { name, kind, unit, description } = cacheMetrics[metric];
    const meter = metrics.getMeter(scope);
    const made =
      kind === "counter"
        ? meter.createCounter(name, { unit, description })
        : kind === "histogram"
          ? meter.createHistogram(name, { unit, description })
          : meter.createUpDownCounter(name, { unit, description });
    instruments.set(metric, made);
    return made;
  };

  return {
    add: (metric, attributes, value = 1) => {
      const counter = instrument(metric);
      if ("add" in counter) counter.add(value, attributes);
    },
    record: (metric, ms, attributes) => {
      const histogram = instrument(metric);
      if ("record" in histogram) histogram.record(ms / 1_000, attributes);
    },
    span: (name, work) =>
      trace.getTracer(scope).startActiveSpan(cacheSpans[name], async (span) => {
        try {
          return await work(span);
        } catch (error) {
          span.setStatus({ code: SpanStatusCode.ERROR });
          if (error instanceof Error) span.recordException(error);
          throw error;
        } finally {
          span.end();
        }
      }),
  };
}
