import { describe, expect, test } from "@jest/globals";
import { cacheError, type ServerInfo } from "@unstale/cache-core";
import { createPositions } from "../../../worker/positions.ts";
import { retryDelay } from "../../../worker/retry-policy.ts";
import { memoryVerdict, serverProblem } from "../../../worker/server-requirements.ts";
import { wantsTraces } from "../../../worker/telemetry.ts";
import { place } from "./scene.ts";

const server: ServerInfo = { product: "valkey", version: "8.0.1", role: "master", replicas: 0, clusterEnabled: false };

describe("a server", () => {
  test.each([
    [{ version: "7.2.0" }, undefined],
    [{ version: "10.0.0" }, undefined],
    [{ version: "7.0.15" }, "too old"],
    [{ product: "redis", version: "6.2.14" }, "Redis 6.2.14 is too old"],
    [{ role: "replica" }, "replica"],
    [{ role: "unknown" }, undefined],
    [{ product: "memory", version: "0" }, undefined],
    [{ clusterEnabled: true }, "set UNSTALE_VALKEY_CLUSTER to true"],
  ] as const)("%j", (info, problem) => {
    const found = serverProblem({ ...server, ...info }, false);
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(problem);
  });

  test("of a cluster is what the settings of a cluster ask for", () => {
    expect(serverProblem({ ...server, clusterEnabled: true }, true)).toBeUndefined();
  });

  test.each([
    [{ memoryPolicy: "allkeys-lru", maxMemory: 2 ** 30 }, "ok"],
    [{ memoryPolicy: "volatile-lru", maxMemory: 2 ** 30 }, "ok"],
    [{ memoryPolicy: "allkeys-lru", maxMemory: 0 }, "warn"],
    [{ memoryPolicy: "noeviction", maxMemory: 2 ** 30 }, "warn"],
    [{ memoryPolicy: "allkeys-random", maxMemory: 2 ** 30 }, "warn"],
    [{}, "ok"],
  ] as const)("with memory %j", (info, status) => {
    expect(memoryVerdict({ ...server, ...info }).status).toBe(status);
  });
});

describe("patience", () => {
  const outage = cacheError("UNSTALE_VALKEY_UNAVAILABLE", "down");
  const refusal = cacheError("UNSTALE_VALKEY_REFUSED", "no");

  test("with an outage is short and quiet, with a refusal long and loud, and never ends", () => {
    expect(retryDelay(outage, 1, () => 0)).toEqual({ afterMs: 100, level: "warn" });
    expect(retryDelay(outage, 1_000, () => 1)).toEqual({ afterMs: 5_000, level: "warn" });
    expect(retryDelay(refusal, 1, () => 1)).toEqual({ afterMs: 1_000, level: "error" });
    expect(retryDelay(new TypeError("bug"), 1_000, () => 1)).toEqual({ afterMs: 30_000, level: "error" });
  });
});

describe("positions", () => {
  test("advance only within their stretch, and never back", () => {
    const positions = createPositions();
    positions.begin(place, 5);
    const first = positions.get(place);
    if (!first) throw new Error("no position");
    positions.advance(first, 9);
    positions.advance(first, 7);
    expect(positions.get(place)?.offset).toBe(9);
    positions.begin(place, 2);
    positions.advance(first, 10);
    expect(positions.get(place)?.offset).toBe(2);
    positions.forget(place);
    positions.advance(first, 10);
    expect(positions.all()).toEqual([]);
  });
});

describe("traces are made", () => {
  test.each([
    [{}, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://collector:4318/v1/traces" }, true],
    [{ OTEL_TRACES_EXPORTER: "console" }, true],
    [{ OTEL_TRACES_EXPORTER: "none", OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }, false],
    [{ OTEL_SDK_DISABLED: "true", OTEL_TRACES_EXPORTER: "otlp" }, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "" }, false],
  ])("%j: %s", (env, expected) => {
    expect(wantsTraces(env)).toBe(expected);
  });
});
