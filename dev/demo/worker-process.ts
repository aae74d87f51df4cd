import { setTimeout as delay } from "node:timers/promises";
import { OwnedProcess } from "../services/owned-process.ts";
import { freePort } from "../services/ports.ts";
import { openScratch } from "../services/scratch.ts";

export interface WorkerProcess {
  readonly pid: number | undefined;
  /** `http://127.0.0.1:8085`: health and metrics. */
  readonly http: string;
  readonly logFile: string;
  stop(): Promise<void>;
}

export interface WorkerProcessOptions {
  /** The built command: `dist/worker/main.js`. */
  readonly command: string;
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly groupId: string;
  readonly valkeyUrl: string;
  readonly otlpEndpoint: string;
}

const leaveMs = 3_000;

/** Starts `unstale run`, as a process of its own, and waits until it is ready. */
export async function startWorkerProcess(options: WorkerProcessOptions): Promise<WorkerProcess> {
  const port = await freePort();
  const http = `http://127.0.0.1:${port}`;
  const settings: Record<string, string> = {
    UNSTALE_KAFKA_BROKERS: options.brokers.join(","),
    UNSTALE_KAFKA_TOPICS: options.topic,
    UNSTALE_KAFKA_GROUP_ID: options.groupId,
    UNSTALE_VALKEY_URL: options.valkeyUrl,
    UNSTALE_HTTP_PORT: String(port),
    OTEL_EXPORTER_OTLP_ENDPOINT: options.otlpEndpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_METRICS_EXPORTER: "none",
    OTEL_LOGS_EXPORTER: "none",
    OTEL_BSP_SCHEDULE_DELAY: "100",
  };
  const worker = await OwnedProcess.start({
    name: "unstale run",
    command: "env",
    args: [
      ...inherited().flatMap((name) => ["-u", name]),
      ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
      process.execPath,
      options.command,
      "run",
    ],
    scratch: await openScratch("worker"),
    probe: () => ready(http),
    startTimeoutMs: 30_000,
  });
  return {
    get pid() {
      return worker.pid;
    },
    http,
    logFile: worker.logFile,
    async stop() {
      // SIGTERM lets it finish and leave its group; whatever is left after that is ended.
      if (worker.pid !== undefined) process.kill(worker.pid, "SIGTERM");
      for (const deadline = Date.now() + leaveMs; worker.pid !== undefined && Date.now() < deadline; ) await delay(20);
      await worker.stop();
    },
  };
}

/** What the demo's own surroundings say is not meant for this worker, which refuses settings that it does not know. */
function inherited(): string[] {
  return Object.keys(process.env).filter((name) => /^(UNSTALE|OTEL)_/.test(name));
}

async function ready(http: string): Promise<void> {
  const response = await fetch(`${http}/readyz`, { signal: AbortSignal.timeout(1_000) });
  if (!response.ok) throw new Error(`not ready: ${await response.text()}`);
}
