import { showConfig } from "../../config/index.ts";
import { createApp, stopGraceMs } from "../app.ts";
import { openSource, openStore } from "../connections.ts";
import { createDeployment } from "../deployment.ts";
import { exitCodeOf, exitCodes } from "../exit-codes.ts";
import { createLogger, type Logger } from "../logger.ts";
import { stopOnSignals } from "../shutdown.ts";
import type { Surroundings } from "../surroundings.ts";
import { startTelemetry } from "../telemetry.ts";
import { type CommonOptions, type LoadedConfig, loadSettings } from "./settings.ts";

export interface RunOptions extends CommonOptions {
  readonly embedded?: true;
  readonly logLevel?: string;
}

/** The worker. Resolves to the exit code when it has ended. */
export async function run(surroundings: Surroundings, options: RunOptions): Promise<number> {
  const loaded = loadSettings(surroundings, options, {
    ...(options.embedded ? { embedded: "true" } : {}),
    ...(options.logLevel === undefined ? {} : { "log.level": options.logLevel }),
    ...(options.json ? { "log.format": "json" } : {}),
  });
  const { config } = loaded;
  const destination = surroundings.logDestination();
  const log = createLogger({ level: config.logLevel, format: logFormat(loaded, surroundings), destination });
  announce(log, loaded, surroundings.version);

  // Before anything asks the OpenTelemetry API for a meter.
  const telemetry = startTelemetry({ env: surroundings.env, version: surroundings.version });
  const { store, problem } = openStore(config);
  const app = createApp({
    config,
    store,
    storeProblem: problem,
    deployment: createDeployment(store, config),
    openSource: (deploymentId) => openSource(config, { log, deploymentId }),
    telemetry,
    log,
  });
  const release = stopOnSignals({
    signals: surroundings.signals,
    stop: (reason) => app.stop(reason),
    boundMs: config.drainTimeoutMs + stopGraceMs,
    exit: (code) => {
      flush(destination);
      surroundings.exit(code);
    },
    clock: surroundings.clock,
    log,
  });
  try {
    await app.start().catch((error: unknown) => {
      log.fatal({ err: error }, "the worker cannot run");
      return app.stop("start failed");
    });
    const failure = await app.ended;
    log.info({}, failure === undefined ? "stopped" : "stopped after a failure");
    return failure === undefined ? exitCodes.ok : exitCodeOf(failure);
  } finally {
    release();
    flush(destination);
  }
}

function logFormat({ config }: LoadedConfig, { isTerminal }: Surroundings): "json" | "pretty" {
  if (config.logFormat !== "auto") return config.logFormat;
  return isTerminal ? "pretty" : "json";
}

function announce(log: Logger, { config, origins }: LoadedConfig, version: string): void {
  const settings = showConfig(config, origins)
    .filter(({ origin, value }) => origin !== "default" && value !== undefined)
    .map(({ name, value }) => [name, value]);
  log.info({ version, node: process.version, settings: Object.fromEntries(settings) }, "starting");
  if (config.embedded) {
    log.warn({}, "embedded: events come by HTTP, the cache is in this process's memory, nothing survives a restart");
  }
}

function flush(destination: { flushSync(): void }): void {
  try {
    destination.flushSync();
  } catch {
    // The reader has gone away, or the disk is full; there is nobody left to tell.
  }
}
