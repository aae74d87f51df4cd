import { afterEach, describe, expect, test } from "@jest/globals";
import { cacheError, createMemoryStore, type KeyLayout, proposeDeployment } from "@unstale/cache-core";
import { type Config, loadConfig } from "../../../config/index.ts";
import { type App, createApp } from "../../../worker/app.ts";
import { createConnectionProblem } from "../../../worker/connection-problem.ts";
import { createDeployment } from "../../../worker/deployment.ts";
import type { TelemetrySdk } from "../../../worker/telemetry.ts";
import { latch, until } from "../../support/latch.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { type ScriptedStore, scriptedStore } from "../../support/scripted-store.ts";
import { createFakeSource } from "./fake-source.ts";
import { appliedIn, documents, entry, place, silent, slice } from "./scene.ts";

const apps: App[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.stop("end of the test")));
});

function configOf(flags: Record<string, string> = {}): Config {
  const loaded = loadConfig({ env: {}, flags: { "http.port": "0", ...flags }, readFile: () => "" });
  if (loaded.kind === "problems") throw new Error("a test's settings are wrong");
  return loaded.config;
}

function scene(flags?: Record<string, string>) {
  const clock = new ManualClock();
  const memory = createMemoryStore({ clock });
  const store: ScriptedStore = scriptedStore(memory);
  const problem = createConnectionProblem();
  const source = createFakeSource();
  const config = configOf(flags);
  const order: string[] = [];
  const telemetry: TelemetrySdk = {
    serveMetrics: (_, response) => response.end(),
    tracing: false,
    shutdown: async () => void order.push("telemetry"),
  };
  const deploymentIds: string[] = [];
  const app = createApp({
    config,
    store,
    storeProblem: problem,
    deployment: createDeployment(store, config),
    openSource: (id) => {
      deploymentIds.push(id);
      return source;
    },
    telemetry,
    log: silent,
    overrides: { clock, random: () => 1 },
  });
  apps.push(app);
  const ready = async (): Promise<{ status: number; text: string }> => {
    const response = await fetch(`http://127.0.0.1:${app.address?.port}/readyz?verbose`);
    return { status: response.status, text: await response.text() };
  };
  return { app, clock, memory, store, problem, source, order, deploymentIds, ready };
}

describe("a worker", () => {
  test("is ready when Valkey answers and the group was joined, and applies what comes", async () => {
    const { app, memory, source, ready, deploymentIds } = scene();
    const start = app.start();
    const handlers = await source.started;
    expect((await ready()).status).toBe(503);
    source.join();
    await start;
    expect(await ready()).toMatchObject({ status: 200 });
    expect(await memory.deployment()).toMatchObject({ id: deploymentIds[0] });

    const answer = await entry(memory, { query: "q", sources: ["article:1"] });
    await handlers.onAssigned([{ ...place, low: 0n, end: 1n }]);
    await handlers.onSlice(slice({ first: 0, changes: documents("article:1") }));
    expect(await answer.isServed()).toBe(false);
    expect(await appliedIn(memory)).toBe(1);
  });

  test("waits for Valkey, says so, and goes on by itself", async () => {
    const { app, clock, store, source, ready } = scene();
    store.fail(cacheError("UNSTALE_VALKEY_UNAVAILABLE", "connection refused"));
    const start = app.start();
    await until(() => app.lifecycle.state === "waiting");
    await until(() => app.address !== undefined);
    expect(await ready()).toMatchObject({
      status: 503,
      text: expect.stringContaining("[-]valkey failed: connection refused"),
    });
    store.restore();
    await until(() => clock.sleeping > 0);
    clock.advance(1_000);
    await source.started;
    source.join();
    await start;
    expect(app.lifecycle.state).toBe("running");
  });

  test("is not ready while a partition is far behind, and says which", async () => {
    const { app, clock, source, ready } = scene({ "http.readyMaxLag": "10" });
    const start = app.start();
    await source.started;
    source.join();
    await start;
    source.lags = [{ ...place, end: 20n, lag: 11n }];
    await until(() => {
      clock.advance(1_000);
      return app.lifecycle.state === "degraded";
    });
    expect((await ready()).text).toContain("[-]lag failed: t/0 is 11 records behind, more than 10");
    source.lags = [{ ...place, end: 20n, lag: 10n }];
    await until(() => {
      clock.advance(1_000);
      return app.lifecycle.state === "running";
    });
  });

  test("is degraded while Valkey is away, by the heartbeat alone", async () => {
    const { app, clock, store, source } = scene();
    const start = app.start();
    await source.started;
    source.join();
    await start;
    store.intercept("heartbeat", () => Promise.reject(cacheError("UNSTALE_VALKEY_UNAVAILABLE", "gone")));
    await until(() => {
      clock.advance(1_000);
      return app.lifecycle.state === "degraded";
    });
    store.restore();
    await until(() => {
      clock.advance(1_000);
      return app.lifecycle.state === "running";
    });
  });

  test("writes the deployment record with the id that it had, when Valkey lost everything", async () => {
    const { app, clock, memory, source, store, deploymentIds } = scene();
    const start = app.start();
    await source.started;
    source.join();
    await start;
    const emptied = createMemoryStore({ clock });
    store.intercept("heartbeat", (_, request) => emptied.heartbeat(request));
    const written = latch();
    store.intercept("configure", (_, record) => {
      written.open();
      return emptied.configure(record);
    });
    store.intercept("deployment", () => emptied.deployment());
    const before = store.count("configure");
    await until(() => {
      clock.advance(1_000);
      return store.count("configure") > before;
    });
    await written.opened;
    expect(await emptied.deployment()).toMatchObject({ id: deploymentIds[0] });
    expect(await memory.deployment()).toMatchObject({ id: deploymentIds[0] });
    expect(app.lifecycle.state).toBe("running");
  });

  test("ends when another deployment was quicker to write its record", async () => {
    const { app, clock, source, store } = scene();
    const start = app.start();
    await source.started;
    source.join();
    await start;
    const taken = createMemoryStore({ clock });
    const layout = { entryPrefix: "cache:", dependencyPrefixes: ["doc_deps:", "deps:"] as const, buckets: 1 };
    await taken.configure(proposeDeployment({ layout, foreignWriters: true }));
    store.intercept("heartbeat", (_, request) => taken.heartbeat(request));
    store.intercept("configure", (_, record) => taken.configure(record));
    await until(() => {
      clock.advance(1_000);
      return app.lifecycle.state === "failed" || app.lifecycle.state === "stopped";
    });
    expect(await app.ended).toMatchObject({ code: "UNSTALE_DEPLOYMENT_REPLACED" });
  });

  test("sends the source back when Valkey fell back (I5)", async () => {
    const { app, clock, memory, source } = scene();
    const start = app.start();
    const handlers = await source.started;
    source.join();
    await start;
    await handlers.onAssigned([{ ...place, low: 0n, end: 9n }]);
    await handlers.onSlice(slice({ first: 0, next: 9 }));
    await memory.attach({ bucket: 0, ...place, offset: 4 });
    await until(() => {
      clock.advance(1_000);
      return source.sought.length > 0;
    });
    expect(source.sought).toEqual([{ ...place, offset: 4n }]);
  });
});

describe("a worker that cannot run", () => {
  test.each([
    ["a replica", { product: "valkey", version: "8.0.1", role: "replica" }, "UNSTALE_VALKEY_UNSUPPORTED"],
    ["an old server", { product: "valkey", version: "7.0.1" }, "UNSTALE_VALKEY_UNSUPPORTED"],
  ] as const)("for %s says so at once", async (_, info, code) => {
    const { app, store, source } = scene();
    store.intercept("serverInfo", async (proceed) => ({ ...(await proceed()), ...info }));
    await expect(app.start()).rejects.toMatchObject({ code });
    expect(app.lifecycle.state).toBe("failed");
    expect(source.stopped).toBe(false);
  });

  test.each([
    ["in a reply", "UNSTALE_VALKEY_REFUSED", undefined],
    [
      "by the connection, while commands only see no answer",
      "UNSTALE_VALKEY_UNAVAILABLE",
      "WRONGPASS invalid password",
    ],
  ] as const)("for wrong credentials, said %s, says so at once", async (_, code, complaint) => {
    const { app, store, problem } = scene();
    if (complaint !== undefined) problem.note(new Error(complaint));
    store.fail(cacheError(code, "no answer"));
    await expect(app.start()).rejects.toMatchObject({ code: "UNSTALE_VALKEY_REFUSED" });
  });

  test("for other settings names both values", async () => {
    const { app, store } = scene({ "kafka.groupId": "ours" });
    const layout: KeyLayout = { entryPrefix: "other:", dependencyPrefixes: ["doc_deps:", "deps:"], buckets: 1 };
    await store.configure(proposeDeployment({ layout, foreignWriters: true, group: "theirs" }));
    await expect(app.start()).rejects.toMatchObject({
      code: "UNSTALE_CONFIG_MISMATCH",
      message: expect.stringMatching(
        /entryPrefix is "other:" there, "cache:" here.*group is "theirs" there, "ours" here/s,
      ),
    });
  });

  test("for keys of a newer format does not start", async () => {
    const { app, store } = scene();
    store.intercept("heartbeat", () => ({ kind: "format" }));
    await expect(app.start()).rejects.toMatchObject({ code: "UNSTALE_FORMAT_TOO_NEW" });
  });

  test("for a deployment of a newer format does not start, and leaves its record alone", async () => {
    const { app, memory } = scene();
    memory.keyspace.hset("unstale:config", { format: "2" });
    await expect(app.start()).rejects.toMatchObject({ code: "UNSTALE_FORMAT_TOO_NEW" });
    expect(memory.keyspace.hgetall("unstale:config")).toEqual({ format: "2" });
  });

  test("because Kafka refuses it ends with that error", async () => {
    const { app, source } = scene();
    const start = app.start();
    await source.started;
    source.refuse(new Error("SASL: access denied"));
    await expect(start).rejects.toThrow("access denied");
    await app.stop("start failed");
    expect((await app.ended)?.message).toContain("access denied");
  });

  test("any more, ends itself and says why", async () => {
    const { app, source, store } = scene();
    const start = app.start();
    await source.started;
    source.join();
    await start;
    source.tell({ kind: "failed", error: new Error("crashed too often") });
    expect((await app.ended)?.message).toBe("crashed too often");
    expect(source.stopped && store.closed).toBe(true);
    expect(app.lifecycle.state).toBe("failed");
  });
});

describe("a stop", () => {
  test("drains the source first, is visible meanwhile, and closes all else after it", async () => {
    const { app, source, store, order, ready } = scene();
    const start = app.start();
    await source.started;
    source.join();
    await start;
    const held = source.holdStop();
    const stop = app.stop("SIGTERM");
    const again = app.stop("again");
    expect(await ready()).toMatchObject({ status: 503, text: expect.stringContaining("draining: SIGTERM") });
    expect(store.closed).toBe(false);
    held.open();
    await Promise.all([stop, again]);
    expect(app.lifecycle.state).toBe("stopped");
    expect(store.closed).toBe(true);
    expect(order).toEqual(["telemetry"]);
    await expect(ready()).rejects.toThrow();
    expect(await app.ended).toBeUndefined();
  });

  test("while it waits for Valkey ends the wait", async () => {
    const { app, clock, store } = scene();
    store.fail(cacheError("UNSTALE_VALKEY_UNAVAILABLE", "down"));
    const start = app.start();
    await until(() => app.lifecycle.state === "waiting" && clock.sleeping > 0);
    await app.stop("SIGTERM");
    await start;
    expect(clock.sleeping).toBe(0);
    expect(app.lifecycle.state).toBe("stopped");
  });

  test("before the group was joined ends the start", async () => {
    const { app, clock, source } = scene();
    const start = app.start();
    await source.started;
    await app.stop("SIGTERM");
    await start;
    expect(clock.sleeping).toBe(0);
  });
});
