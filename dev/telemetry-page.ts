import { cacheMetrics, cacheSpans } from "@unstale/cache-core";
import { workerMetrics } from "../worker/metrics.ts";
import { workerSpans } from "../worker/slice-tracing.ts";

interface Metric {
  readonly name: string;
  readonly kind: string;
  readonly unit: string;
  readonly description: string;
  readonly attributes: readonly string[];
}

/** docs/telemetry.md, from the tables of names. */
export function telemetryPage(): string {
  return `${head}
## Metrics of the worker

Served by \`/metrics\`, whatever the \`OTEL_*\` variables say.

${metricsTable(Object.values(workerMetrics))}

## Metrics of the library

Made with the OpenTelemetry API, so that they appear in whatever SDK your program has registered, and cost nothing where it has none.

${metricsTable(Object.values(cacheMetrics))}

## Spans

| span | kind | of | what it covers |
|---|---|---|---|
${rowsOf(workerSpans, workerSpanRows)}
${rowsOf(cacheSpans, cacheSpanRows)}
${tail}`;
}

function metricsTable(metrics: readonly Metric[]): string {
  const rows = metrics.map(
    ({ name, kind, unit, description, attributes }) =>
      `| \`${name}\` | \`${prometheusName({ name, kind, unit })}\` | ${kind} | ${unit} | ${attributes.map((each) => `\`${each}\``).join(", ")} | ${description} |`,
  );
  return `| name | in Prometheus | kind | unit | attributes | what it says |\n|---|---|---|---|---|---|\n${rows.join("\n")}`;
}

/** As the exporter writes it; a histogram's lines end in `_bucket`, `_sum` and `_count`. */
function prometheusName({ name, kind }: Pick<Metric, "name" | "kind" | "unit">): string {
  const base = name.replaceAll(".", "_");
  return kind === "counter" ? `${base}_total` : base;
}

const workerSpanRows: Readonly<Record<keyof typeof workerSpans, string>> = {
  process:
    "CONSUMER | worker | one slice. Child of the producer's span where the slice is one record, else the root of a trace of its own with links to the producers (64 at most). `messaging.*` attributes",
  invalidate:
    "CLIENT | worker | the call to Valkey. `db.*` attributes, `unstale.documents`, `unstale.scopes`, `unstale.entries.deleted`, `unstale.drains`; an event `unstale.document` for each of the first ten documents",
  drain:
    "CLIENT | worker | deletions that go on after the slice was applied. `unstale.drains`, `unstale.entries.deleted`",
};

const cacheSpanRows: Readonly<Record<keyof typeof cacheSpans, string>> = {
  fill: "INTERNAL | library | one computation of an answer",
  invalidate: "INTERNAL | library | `invalidateSource`, `invalidateNamespace`, `invalidateAll`",
};

function rowsOf<Name extends string>(
  spans: Readonly<Record<Name, string>>,
  rows: Readonly<Record<Name, string>>,
): string {
  return (Object.keys(spans) as Name[]).map((name) => `| \`${spans[name]}\` | ${rows[name]} |`).join("\n");
}

const head = `<!-- Generated from the tables in worker/ and cache-core/ by "npm run docs". Change those, not this page. -->

# Telemetry

What to look at first: \`unstale_worker_event_to_unservable\` (how stale an answer could have been), \`unstale_worker_lag\`,
\`unstale_worker_dead_letters_total\`, \`unstale_worker_barriers_total\` and \`unstale_worker_ready\`.

| page | says |
|---|---|
| \`/livez\` | 200 unless the process must be replaced: the worker gave up, or its own rounds have stood still for a minute. Knows nothing of Kafka and Valkey: an outage must not restart every worker |
| \`/readyz\` | 200 while Valkey answers, the group was joined, no partition is paused and none is far behind (\`UNSTALE_READY_MAX_LAG\`). \`?verbose\` lists each check with its reason |
| \`/metrics\` | all metrics as Prometheus text |
`;

const tail = `
Traces are made when the environment says where they go: \`OTEL_EXPORTER_OTLP_ENDPOINT\`, \`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT\` or
\`OTEL_TRACES_EXPORTER\`; all other \`OTEL_*\` variables for traces are as in the OpenTelemetry specification. Metrics are pulled, not
pushed. Document ids stand on spans only, never on metrics; keys, queries and answers stand nowhere.

## Logs

JSON lines on standard output (pretty on a terminal), the facts first and one sentence in \`msg\`. A healthy worker says nothing after its
start; at \`UNSTALE_LOG_LEVEL=debug\` a line for each slice, by which an edit's trace is found in the log. \`topic\`, \`partition\`, \`offset\` mean the same everywhere; \`err\` has \`code\` and \`message\`, and a \`stack\` only for errors that nobody
expected; \`trace_id\` and \`span_id\` name the span that was active. Secrets are never written.
`;
