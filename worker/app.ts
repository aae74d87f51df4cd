/**
 * The composition root: the only place where the parts of a worker meet. It makes nothing that talks to the outside but
 * the HTTP server; store and source come in, so that tests bring their own.
 */
import { metrics, trace } from "@opentelemetry/api";
import { type CacheStore, type Clock, createInvalidator, type Invalidator, systemClock } from "@unstale/cache-core";
import type { Config } from "../config/index.ts";
import type { ChangeSource, PartitionLag } from "../consumers/change-source.ts";
import { createAssignment } from "./assignment.ts";
import type { ConnectionProblem } from "./connection-problem.ts";
import type { Deployment } from "./deployment.ts";
import { reasonOf } from "./errors.ts";
import { createFreshness } from "./freshness.ts";
import { createGapPolicies } from "./gap-policy.ts";
import { observeGauges } from "./gauges.ts";
import { createHealthServer } from "./health.ts";
import { createHeartbeat } from "./heartbeat.ts";
import { layoutOf } from "./layout.ts";
import { createLifecycle, type Lifecycle } from "./lifecycle.ts";
import { createLiveness } from "./liveness.ts";
import type { Logger } from "./logger.ts";
import { createWorkerMetrics } from "./metrics.ts";
import { createNotices } from "./notices.ts";
import { createPipeline } from "./pipeline.ts";
import { createPositions } from "./positions.ts";
import { reachStore } from "./reach-store.ts";
import { createRepeating } from "./repeating.ts";
import { createSliceTracing } from "./slice-tracing.ts";
import type { TelemetrySdk } from "./telemetry.ts";
import { createWidening } from "./widening.ts";

export interface App {
  readonly lifecycle: Lifecycle;
  /**
   * Serves HTTP, reaches the store, joins the group. Resolves when the worker runs, or was stopped meanwhile.
   * @throws UnstaleError whatever waiting cannot mend.
   */
  start(): Promise<void>;
  /** Ends everything in order: no new slices, those under way, the store, telemetry, HTTP. Idempotent, never rejects. */
  stop(reason: string): Promise<void>;
  /** Resolves when the app was stopped: to the error that made it end, if one did. */
  readonly ended: Promise<Error | undefined>;
  /** Where HTTP is served, once it is. */
  readonly address: { readonly host: string; readonly port: number } | undefined;
}

export interface AppOptions {
  readonly config: Config;
  readonly store: CacheStore;
  readonly storeProblem: ConnectionProblem;
  readonly deployment: Deployment;
  /** Called once the deployment is known. */
  readonly openSource: (deploymentId: string) => ChangeSource;
  readonly telemetry: TelemetrySdk;
  readonly log: Logger;
  readonly overrides?: {
    readonly clock?: Clock;
    readonly random?: () => number;
    readonly invalidator?: Invalidator;
  };
}

const leftoverAfterMs = 5_000;
const lagEveryMs = 10_000;
const telemetryDeadlineMs = 2_000;
/** How long an end may take beyond the drain timeout. */
export const stopGraceMs = 5_000;

export function createApp(options: AppOptions): App {
  const { config, store, storeProblem: problem, deployment, openSource, telemetry, log, overrides = {} } = options;
  const clock = overrides.clock ?? systemClock;
  const random = overrides.random ?? Math.random;
  const { layout, foreignWriters, isCluster } = layoutOf(config);
  const { buckets } = layout;
  const invalidator = overrides.invalidator ?? createInvalidator({ store, buckets, clock });
  const workerMetrics = createWorkerMetrics(metrics.getMeter("unstale-worker"));
  const tracing = createSliceTracing(trace.getTracer("unstale-worker"), config.kafkaGroupId);
  const stopping = new AbortController();
  let source: ChangeSource | undefined;
  let failure: Error | undefined;

  const lifecycle = createLifecycle({
    conditions: ["valkey", "kafka", "partitions", "lag"],
    onTransition: ({ from, to, reason }) =>
      log[to === "degraded" ? "warn" : "info"]({ from, to, reason }, `worker is ${to}`),
  });
  const fail = (error: Error): void => {
    failure ??= error;
    lifecycle.happen("fail", error.message);
    void stop("failure");
  };

  const liveness = createLiveness({ now: () => performance.now() });
  const positions = createPositions();
  const shared = { store, invalidator, buckets, positions, metrics: workerMetrics, clock, log };
  const reachOf = createGapPolicies(config.kafkaTopics);
  const widening = createWidening({ ...shared, reachOf, foreignWriters });
  const pipeline = createPipeline({ ...shared, tracing, random });
  const assignment = createAssignment({ ...shared, pipeline, widening, deploymentId: () => deployment.id });
  const notices = createNotices({ lifecycle, metrics: workerMetrics, log, onFailed: fail });
  const heartbeat = createHeartbeat({
    ...shared,
    widening,
    lifecycle,
    leftoverAfterMs,
    seek: (target) => source?.seek(target),
    renew: () => deployment.renew(),
    onReplaced: fail,
  });

  const freshness = createFreshness({
    ...shared,
    everyMs: config.freshnessIntervalMs,
    ends: async () =>
      source === undefined ? Promise.reject(new Error("the source was not opened yet")) : source.ends(),
  });

  let lag: readonly PartitionLag[] = [];
  const rounds = [
    createRepeating({
      everyMs: config.valkeyHeartbeatIntervalMs,
      clock,
      work: async () => {
        liveness.turn();
        await heartbeat.beat();
        liveness.turn();
      },
    }),
    createRepeating({ everyMs: config.freshnessIntervalMs, clock, work: () => freshness.round() }),
    createRepeating({
      everyMs: lagEveryMs,
      clock,
      work: async () => {
        // Unknown lag is no observation; why Kafka does not answer is said elsewhere.
        lag = (await source?.lag().catch(() => [])) ?? [];
        judgeLag(lag, config.readyMaxLag, lifecycle);
      },
    }),
  ];
  const owned = (): number => source?.owned().length ?? 0;
  observeGauges({
    metrics: workerMetrics,
    owned,
    invalidator,
    heartbeat,
    freshness,
    notices,
    lifecycle,
    lag: () => lag,
  });

  const health = createHealthServer({
    host: config.httpHost,
    port: config.httpPort,
    lifecycle,
    liveness,
    serveMetrics: (request, response) => telemetry.serveMetrics(request, response),
  });

  let address: App["address"];
  let end: (error: Error | undefined) => void = () => undefined;
  const ended = new Promise<Error | undefined>((resolve) => {
    end = resolve;
  });
  let stopped: Promise<void> | undefined;

  async function start(): Promise<void> {
    address = await health.start();
    log.info({ ...address }, `serving http://${address.host}:${address.port}`);
    const agree = (): Promise<void> => deployment.agree();
    await reachStore({ ...shared, problem, agree, isCluster, lifecycle, signal: stopping.signal });
    stopping.signal.throwIfAborted();
    for (const round of rounds) round.start();
    source = openSource(deployment.id ?? "");
    await source.start({
      onAssigned: async (partitions) => {
        const starts = await assignment.onAssigned(partitions);
        notices.onBegun(partitions);
        return starts;
      },
      onRevoked: (partitions) => {
        assignment.onRevoked(partitions);
        notices.onRevoked(partitions);
      },
      onSlice: (slice) => pipeline.onSlice(slice),
      onGap: async (gap) => {
        await assignment.onGap(gap);
        notices.onBegun([gap.partition]);
      },
      onNotice: (notice) => notices.onNotice(notice),
    });
  }

  function stop(reason: string): Promise<void> {
    stopped ??= endInOrder(reason);
    return stopped;
  }

  async function endInOrder(reason: string): Promise<void> {
    lifecycle.happen("stop", reason);
    stopping.abort(new Error("stopped"));
    const ending = rounds.map((round) => round.stop());
    liveness.rest();
    const outcome = await source?.stop({ drainMs: config.drainTimeoutMs });
    if (outcome?.drained === false)
      log.warn({}, "not everything settled in time; the rest is delivered to another worker");
    invalidator.stop();
    // Calls under way end with the connection: a Valkey that hangs does not hold the process.
    await store.close().catch((error: unknown) => log.warn({ reason: reasonOf(error) }, "the store did not close"));
    await Promise.all([...ending, heartbeat.idle()]);
    lifecycle.happen("drained", reason);
    await telemetry.shutdown(telemetryDeadlineMs);
    await health.stop();
    end(failure);
  }

  return {
    lifecycle,
    start: () =>
      start().catch((error: unknown) => {
        if (stopping.signal.aborted) return;
        const reason = reasonOf(error);
        lifecycle.happen("fail", reason);
        failure ??= error instanceof Error ? error : new Error(reason);
        throw error;
      }),
    stop,
    ended,
    get address() {
      return address;
    },
  };
}

/** A worker that is far behind does its work, but answers may be as old as its lag: whoever rolls out waits for it. */
function judgeLag(lag: readonly PartitionLag[], most: number, lifecycle: Pick<Lifecycle, "met" | "unmet">): void {
  const behind = lag.filter((one) => one.lag > most);
  const [first] = behind;
  if (first === undefined) lifecycle.met("lag", `no partition is more than ${most} records behind`);
  else {
    const others = behind.length === 1 ? "" : `, and ${behind.length - 1} more partitions`;
    lifecycle.unmet(
      "lag",
      `${first.topic}/${first.partition} is ${first.lag} records behind, more than ${most}${others}`,
    );
  }
}
