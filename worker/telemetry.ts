import type { IncomingMessage, ServerResponse } from "node:http";
import { metrics } from "@opentelemetry/api";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { NodeSDK, resources } from "@opentelemetry/sdk-node";

/** The OpenTelemetry SDK, which nothing else in the project knows. */
export interface TelemetrySdk {
  /** Answers with all metrics as Prometheus text. */
  serveMetrics(request: IncomingMessage, response: ServerResponse): void;
  readonly tracing: boolean;
  /** Sends what is left; never rejects, and takes no longer than `deadlineMs`. */
  shutdown(deadlineMs: number): Promise<void>;
}

export interface TelemetryOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
}

/**
 * Metrics are always kept, for /metrics: with the SDK's own defaults `OTEL_SDK_DISABLED` would empty that page. Traces are
 * made only when the environment says where to send them, because the SDK would otherwise look for a collector on this
 * machine and complain for ever. Must run before anything asks the API for a meter.
 */
export function startTelemetry({ env, version }: TelemetryOptions): TelemetrySdk {
  const resource = resources
    .resourceFromAttributes({ "service.name": "unstale", "service.version": version })
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
    .merge(resources.detectResources({ detectors: [resources.envDetector] }));
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const provider = new MeterProvider({ resource, readers: [exporter] });
  metrics.setGlobalMeterProvider(provider);

  const tracing = wantsTraces(env);
  const sdk = tracing ? new NodeSDK({ resource, metricReaders: [], logRecordProcessors: [] }) : undefined;
  sdk?.start();

  return {
    serveMetrics: (request, response) => exporter.getMetricsRequestHandler(request, response),
    tracing,
    shutdown: async (deadlineMs) => {
      const timer = new AbortController();
      // Without a collector the SDK would wait many seconds for it.
      const deadline = new Promise<void>((resolve) => {
        const timeout = setTimeout(resolve, deadlineMs);
        timer.signal.addEventListener("abort", () => clearTimeout(timeout), { once: true });
      });
      const flushed = Promise.allSettled([sdk?.shutdown(), provider.shutdown()]);
      await Promise.race([flushed, deadline]);
      timer.abort();
      metrics.disable();
    },
  };
}

/** Whether the environment names an exporter of traces, or a collector. */
export function wantsTraces(env: Readonly<Record<string, string | undefined>>): boolean {
  if (env.OTEL_SDK_DISABLED?.trim().toLowerCase() === "true") return false;
  const exporter = env.OTEL_TRACES_EXPORTER?.trim() ?? "";
  if (exporter !== "") return exporter !== "none";
  return [env.OTEL_EXPORTER_OTLP_ENDPOINT, env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT].some((url) => (url ?? "") !== "");
}
