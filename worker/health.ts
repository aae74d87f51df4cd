import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { reasonOf, workerError } from "./errors.ts";
import type { Condition, Lifecycle, State } from "./lifecycle.ts";
import type { Liveness } from "./liveness.ts";

/**
 * `/livez`: whether the process should be replaced. An answer proves that the event loop turns; beyond that a worker is
 * dead that gave up, or whose own rounds stand still. An outage of Valkey or Kafka must not fail it, or the outage would
 * restart every worker.
 * `/readyz`: whether the worker does its work now. `/metrics`: Prometheus text. No route changes anything.
 */
export interface HealthServer {
  /** Resolves to the address that it got. @throws UnstaleError `UNSTALE_HTTP_LISTEN` */
  start(): Promise<{ readonly host: string; readonly port: number }>;
  /** Ends connections, too. Idempotent. */
  stop(): Promise<void>;
}

export interface HealthOptions {
  readonly host: string;
  readonly port: number;
  readonly lifecycle: Pick<Lifecycle, "state" | "reason" | "conditions">;
  readonly liveness: Pick<Liveness, "checks">;
  readonly serveMetrics: (request: IncomingMessage, response: ServerResponse) => void;
  /** How long a request may take to arrive, and a connection may be idle, in ms; default 5 s. */
  readonly patienceMs?: number;
}

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly reason: string;
}

type Route = (request: IncomingMessage, response: ServerResponse, url: URL) => void;

export function createHealthServer(options: HealthOptions): HealthServer {
  const { host, port, lifecycle, liveness, serveMetrics, patienceMs = 5_000 } = options;
  const routes: Readonly<Record<string, Route>> = {
    "/livez": (_, response, url) => answerChecks(response, url, [...liveness.checks(), supervisorCheck(lifecycle)]),
    "/readyz": (_, response, url) =>
      answerChecks(response, url, readyChecks(lifecycle.state, lifecycle.reason, lifecycle.conditions)),
    "/metrics": (request, response) => serveMetrics(request, response),
  };

  const server: Server = createServer(
    {
      maxHeaderSize: 8_192,
      headersTimeout: patienceMs,
      requestTimeout: patienceMs,
      keepAliveTimeout: patienceMs,
      connectionsCheckingInterval: patienceMs / 5,
    },
    (request, response) => handle(routes, request, response),
  );
  server.maxConnections = 100;

  return {
    start: () =>
      new Promise((resolve, reject) => {
        const onError = (error: Error): void => reject(listenError(host, port, error));
        server.once("error", onError);
        server.listen({ host, port }, () => {
          server.off("error", onError);
          // Of a TCP server that listens, always an object.
          resolve({ host, port: (server.address() as AddressInfo).port });
        });
      }),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Only the path of a request counts. */
const base = "http://unstale";

function listenError(host: string, port: number, cause: Error): Error {
  return workerError(
    "UNSTALE_HTTP_LISTEN",
    `Cannot listen on ${host}:${port} (${reasonOf(cause)}). Set UNSTALE_HTTP_PORT to another port, or to 0 for any free one.`,
    { cause },
  );
}

function handle(routes: Readonly<Record<string, Route>>, request: IncomingMessage, response: ServerResponse): void {
  const target = request.url ?? "/";
  const url = URL.canParse(target, base) ? new URL(target, base) : new URL(base);
  const route = Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
  if (route === undefined) answer(response, 404, `no such page; there are ${Object.keys(routes).join(", ")}\n`);
  else if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    answer(response, 405, "only GET and HEAD\n");
  } else route(request, response, url);
}

function supervisorCheck({ state, reason }: Pick<Lifecycle, "state" | "reason">): Check {
  const failed = state === "failed" || state === "stopped";
  return { name: "supervisor", ok: !failed, reason: failed ? `${state}: ${reason}` : state };
}

function readyChecks(state: State, reason: string, conditions: readonly Condition[]): readonly Check[] {
  const checks = conditions.map((condition) => ({
    name: condition.name,
    ok: condition.status === "met",
    reason: condition.reason,
  }));
  return [...checks, { name: "lifecycle", ok: state === "running", reason: `${state}: ${reason}` }];
}

/** One word, or with `?verbose` one line for each check. */
function answerChecks(response: ServerResponse, url: URL, checks: readonly Check[]): void {
  const failed = checks.filter((check) => !check.ok);
  const lines = checks.map(
    ({ name, ok, reason }) => `[${ok ? "+" : "-"}]${name} ${ok ? "ok" : "failed"}: ${oneLine(reason)}`,
  );
  const verdict = failed.length === 0 ? "ok" : `failed: ${failed.map(({ name }) => name).join(", ")}`;
  const body = url.searchParams.has("verbose") ? [...lines, verdict] : [verdict];
  answer(response, failed.length === 0 ? 200 : 503, `${body.join("\n")}\n`);
}

function answer(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
