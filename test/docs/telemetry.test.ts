import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { cacheMetrics } from "@unstale/cache-core";
import { telemetryPage } from "../../dev/telemetry-page.ts";
import { workerMetrics } from "../../worker/metrics.ts";

const page = readFileSync(new URL("../../docs/telemetry.md", import.meta.url), "utf8");
const names = [...Object.values(workerMetrics), ...Object.values(cacheMetrics)].map(({ name }) => name);

test("docs/telemetry.md is what the tables of names say (npm run docs)", () => {
  expect(page).toBe(telemetryPage());
});

test("names are unique, lower case, and begin with their room", () => {
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^unstale\.(worker|cache)(\.[a-z_]+)+$/);
});

test("no source outside the tables names a metric", () => {
  for (const room of ["worker", "consumers", "cache-core"]) {
    const folder = new URL(`../../${room}/`, import.meta.url);
    const files = readdirSync(folder).filter((file) => file.endsWith(".ts"));
    for (const file of files.filter((each) => each !== "metrics.ts" && each !== "telemetry.ts")) {
      const text = readFileSync(new URL(file, folder), "utf8");
      expect({ file, found: /create(Observable)?(Counter|Histogram|Gauge|UpDownCounter)\(/.test(text) }).toEqual({
        file,
        found: false,
      });
    }
  }
});
