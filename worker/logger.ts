import { trace } from "@opentelemetry/api";
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from "pino";
import { prettyFactory } from "pino-pretty";

export type { Logger } from "pino";

export interface LoggerOptions {
  readonly level: string;
  readonly format: "json" | "pretty";
  readonly destination: DestinationStream;
}

/** Fields that nobody may see, should one ever be logged by mistake. Secrets of the settings hide themselves. */
const redactedPaths = ["password", "*.password", "passphrase", "*.passphrase", "authorization", "*.authorization"];

/**
 * JSON lines with the ids of the active span. Facts first, then one sentence; at `info` a healthy worker is silent after
 * its start.
 */
export function createLogger({ level, format, destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: { service: "unstale", pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: redactedPaths, censor: "[redacted]" },
    serializers: { err: describeError, error: describeError },
    mixin: traceIds,
  };
  if (format === "json") return pino(options, destination);
  const pretty = prettyFactory({ colorize: true, ignore: "service,pid", translateTime: "SYS:HH:MM:ss.l" });
  return pino(options, { write: (line) => destination.write(pretty(line)) });
}

function traceIds(): object {
  const span = trace.getActiveSpan()?.spanContext();
  return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
}

/** Errors of ours by code and message; others with their stack, because nobody expected them. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause } = error;
  const code = (error as { code?: unknown }).code;
  const ours = typeof code === "string" && code.startsWith("UNSTALE_");
  return {
    type: name,
    message,
    ...(code === undefined ? {} : { code }),
    ...(ours ? {} : { stack }),
    ...(cause instanceof Error ? { cause: `${cause.name}: ${cause.message}` } : {}),
  };
}
