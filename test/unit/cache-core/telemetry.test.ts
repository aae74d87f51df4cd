import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { metrics } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { cacheMetrics } from "@unstale/cache-core";
import { outage, testCache } from "../../support/smart-cache.ts";

const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
let provider: MeterProvider;

beforeEach(() => {
  exporter.reset();
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 31 - 1 });
  provider = new MeterProvider({ readers: [reader] });
  metrics.setGlobalMeterProvider(provider);
});

afterEach(async () => {
  metrics.disable();
  await provider.shutdown();
});

/** `name{attribute=value}` → sum, or count of a histogram. */
async function measured(): Promise<Record<string, number>> {
  await provider.forceFlush();
  const all = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
  const points = all.flatMap(({ descriptor, dataPoints }) =>
    dataPoints.map(({ attributes, value }) => {
      const labels = Object.entries(attributes).map(([name, label]) => `${name}=${label}`);
      const count = typeof value === "object" && "count" in value ? value.count : value;
      return [`${descriptor.name}{${labels.sort().join(",")}}`, Number(count)] as const;
    }),
  );
  return Object.fromEntries(points);
}

describe("telemetry", () => {
  test("counts look-ups, writes, fills and invalidations, by reasons of closed lists", async () => {
    const t = testCache();
    const lease = await t.cache.lease("q");
    await t.cache.get("q");
    await t.cache.set("q", "a", { sources: ["article:42"], lease });
    await t.cache.get("q");
    await t.cache.invalidateSource("article:42");
    await t.cache.set("q", "a", { sources: ["article:42"], lease });
    await t.cache.set("q", "a");
    await t.cache.getOrSet("p", () => "b");
    await expect(t.cache.getOrSet("r", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    t.store.fail(outage);
    await t.cache.get("q");
    await expect(t.cache.invalidateAll()).rejects.toThrow();
    await t.end();

    expect(await measured()).toMatchObject({
      "unstale.cache.reads{result=hit}": 1,
      "unstale.cache.reads{reason=unavailable,result=miss}": 1,
      "unstale.cache.commits{fenced=true,outcome=written}": 2,
      "unstale.cache.commits{fenced=true,outcome=refused,reason=changed}": 1,
      "unstale.cache.commits{fenced=false,outcome=written}": 1,
      "unstale.cache.fills{outcome=done}": 1,
      "unstale.cache.fills{outcome=failed}": 1,
      "unstale.cache.fills.active{}": 0,
      "unstale.cache.fill.duration{outcome=done}": 1,
      "unstale.cache.invalidations{outcome=done,scope=source}": 1,
      "unstale.cache.invalidations{outcome=failed,scope=all}": 1,
      "unstale.cache.errors.swallowed{step=read}": 1,
    });
  });

  test("labels are those of the table, and never a query, namespace or document", async () => {
    const t = testCache();
    await t.cache.getOrSet(
      "a secret question",
      (context) => {
        context.dependsOn("article:secret");
        return "a";
      },
      { namespace: "secret" },
    );
    await t.cache.invalidateNamespace("secret");
    await t.end();

    await provider.forceFlush();
    expect(JSON.stringify(exporter.getMetrics())).not.toContain("secret");
    const table = new Map<string, readonly string[]>(
      Object.values(cacheMetrics).map(({ name, attributes }) => [name, attributes]),
    );
    for (const point of Object.keys(await measured())) {
      const [name = "", labels = ""] = point.slice(0, -1).split("{");
      const names = labels === "" ? [] : labels.split(",").map((label) => label.split("=")[0] ?? "");
      expect(table.get(name)).toEqual(expect.arrayContaining(names));
    }
  });

  test("metric names are each used once", () => {
    const names = Object.values(cacheMetrics).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
