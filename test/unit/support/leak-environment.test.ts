import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "@jest/globals";

const root = join(import.meta.dirname, "../../..");

interface JestConfig {
  readonly default: { readonly projects: readonly { readonly testEnvironmentOptions: object }[] };
}

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly failureMessages: readonly string[] }[];
  }[];
}

/**
 * Runs the tests that leak, as jest runs ours; they need not wait long. The limit makes it run them in another process: in
 * its own, where it runs a single file, the timers of its reporters come and go.
 */
async function runLeaks(): Promise<Readonly<Record<string, readonly string[]>>> {
  const { default: config }: JestConfig = await import(join(root, "jest.config.js"));
  const [project] = config.projects;
  const leaks = {
    ...project,
    testMatch: ["<rootDir>/test/fixtures/leaks/*.test.ts"],
    testEnvironmentOptions: { ...project?.testEnvironmentOptions, leakPatienceMs: 300 },
  };
  const jest = [
    join(root, "node_modules/jest/bin/jest.js"),
    "--json",
    "--workerIdleMemoryLimit=1GB",
    "--config",
    JSON.stringify(leaks),
  ];
  // Jest ends with 1, and has said why on standard output.
  const { stdout } = await promisify(execFile)(process.execPath, jest, { cwd: root }).catch(
    (error: { stdout: string }) => error,
  );
  const report: Report = JSON.parse(stdout);
  const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  return Object.fromEntries(
    tests.map(({ fullName, failureMessages }) => [fullName, failureMessages.map((text) => text.split("\n")[0] ?? "")]),
  );
}

describe("a test that leaves something open", () => {
  test("fails and says what; one that closes it in time, or found it open, does not", async () => {
    const message = (kinds: string) => [expect.stringContaining(`This test left open: ${kinds}.`)];
    expect(await runLeaks()).toEqual({
      "leaks a timer": message("1 Timeout"),
      "leaks a server": message("1 TCPServerWrap"),
      "leaks a child process": message("1 ProcessWrap"),
      "leaks a watcher": message("1 FSEventWrap"),
      "does not leak a socket that is closed a moment later, a server of beforeAll, a timer of beforeEach": [],
      "does not leak what the test before left open": [],
    });
  }, 30_000);
});
