/**
 * The clients of the other caches let go of their timers late on a busy machine; whatever never ends is still a leak.
 * @jest-environment-options {"leakPatienceMs": 20000}
 */
// Benches check that what they time is correct. Here each of them runs once, as small as it gets, so that they never rot;
// what they measure is of no interest.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "@jest/globals";
import { benches } from "../../bench/benches.ts";
import { openLab } from "../../bench/lab.ts";
import { markdown, plain } from "../../bench/report.ts";
import { silent } from "../../dev/services/index.ts";
import { describeWith, sharedKafkaBrokers } from "../support/services.ts";

const dist = fileURLToPath(new URL("../../dist", import.meta.url));
const ofProcesses = new Set(["end-to-end", "latency", "backlog"]);

const lab = openLab({
  size: "smoke",
  dist,
  progress: silent,
  brokers: () => sharedKafkaBrokers(),
});
afterAll(() => lab.close());

async function expectTables(name: string): Promise<void> {
  const bench = benches.find((one) => one.name === name);
  if (!bench) throw new Error(`no bench ${name}`);
  const tables = await lab.run(bench);
  expect(tables.length).toBeGreaterThan(0);
  for (const table of tables) {
    for (const row of table.rows) expect(row).toHaveLength(table.columns.length);
    expect(markdown(table)).not.toMatch(/NaN|undefined/);
    expect(plain(table)).toContain(table.title);
  }
}

describeWith(["valkey"], "a bench on Valkey", () => {
  const names = benches.map(({ name }) => name).filter((name) => !ofProcesses.has(name));
  test.each(names)("%s times what is correct", expectTables, 120_000);
});

describeWith(["valkey", "kafka"], "a bench with worker processes", () => {
  test.each([...ofProcesses])(
    "%s times what is correct",
    async (name) => {
      if (!existsSync(`${dist}/worker/main.js`)) throw new Error("Expected dist: run `npm run build` first.");
      await expectTables(name);
    },
    120_000,
  );
});
