// The built demo as a process. `npm test` builds first.
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { platform } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { describeWith, sharedKafkaBrokers, sharedValkeyUrl } from "../support/services.ts";

jest.setTimeout(120_000);

const main = join(import.meta.dirname ?? "", "..", "..", "dist", "dev", "demo", "main.js");
const ownServices = { UNSTALE_VALKEY_URL: "", VALKEY_URL: "", UNSTALE_KAFKA_BROKERS: "", KAFKA_BROKERS: "" };

interface Demo {
  readonly child: ChildProcess;
  readonly marker: string;
  output(): string;
  /** Resolves when the output contains the text. */
  says(text: string): Promise<void>;
  readonly ended: Promise<number | null>;
}

let running: Demo | undefined;

function startDemo(args: readonly string[], env: Readonly<Record<string, string>>): Demo {
  // Inherited by every process that the demo starts, and so the way to find them.
  const marker = `UNSTALE_DEMO_TEST=${randomUUID()}`;
  const [name = "", value = ""] = marker.split("=");
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, ...env, [name]: value, UNSTALE_DEMO_PACE_MS: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk));
  const ended = once(child, "close").then(() => child.exitCode);
  running = {
    child,
    marker,
    ended,
    output: () => output,
    async says(text) {
      while (!output.includes(text) && child.exitCode === null && child.signalCode === null) await delay(5);
      expect(output).toContain(text);
    },
  };
  return running;
}

/** Processes that inherited the marker and are still alive. */
async function leftBehind(marker: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
      if (!environment.split("\0").includes(marker)) return [];
      return [`${pid}: ${(await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ")}`];
    }),
  );
  return found.flat();
}

/** What was being started at the very end is ended by its watchdog, a moment after the demo. */
async function expectNothingLeft(marker: string): Promise<void> {
  for (const deadline = Date.now() + 5_000; (await leftBehind(marker)).length > 0 && Date.now() < deadline; )
    await delay(20);
  expect(await leftBehind(marker)).toEqual([]);
}

afterEach(async () => {
  if (running?.child.exitCode === null) running.child.kill("SIGKILL");
  await running?.ended;
  running = undefined;
});

describeWith(["valkey", "kafka"], "the demo on real services", () => {
  test("shows the late write of one side and the refusal of the other, and counts", async () => {
    const demo = startDemo(["tour"], {
      UNSTALE_VALKEY_URL: sharedValkeyUrl(),
      UNSTALE_KAFKA_BROKERS: sharedKafkaBrokers().join(","),
    });
    expect([await demo.ended, demo.output()]).toEqual([0, expect.stringContaining("In this run:")]);
    expect(demo.output()).toMatch(/plain {3}\| 2nd customer: €49\.00 \(hit\), wrong/);
    expect(demo.output()).toMatch(/unstale \| late write refused: article:42 changed \d+ ms after its lease/);
    expect(demo.output()).toMatch(/unstale \| 2nd customer: €59\.00 \(hit\), right/);
    expect(demo.output()).toMatch(/stale \d+ plain, 0 unstale; edit → unservable p50 \d+ ms, p99 \d+ ms/);
    expect(demo.output()).toMatch(/Valkey: invalidate, 2 entries deleted/);
    expect(demo.output()).not.toContain("\u001b[");
    if (platform() === "linux") await expectNothingLeft(demo.marker);
  });

  const moments = ["First one moment", "Valkey 8", "Workers:", "Now by chance"];
  const onLinux = platform() === "linux" ? test : test.skip;
  onLinux.each(moments)("ends without leaving a process behind when interrupted at: %s", async (moment) => {
    const demo = startDemo([], ownServices);
    await demo.says(moment);
    demo.child.kill("SIGINT");
    expect(await demo.ended).toBe(130);
    await expectNothingLeft(demo.marker);
  });

  onLinux("keeps everything running until it is interrupted", async () => {
    const demo = startDemo(["--keep"], ownServices);
    await demo.says("Everything keeps running");
    await demo.says("# its log");
    demo.child.kill("SIGINT");
    expect(await demo.ended).toBe(130);
    await expectNothingLeft(demo.marker);
  });
});

describe("the demo without services", () => {
  test("runs embedded when asked to, and says so", async () => {
    const demo = startDemo(["tour", "--embedded"], ownServices);
    expect([await demo.ended, demo.output()]).toEqual([0, expect.stringContaining("In this run:")]);
    expect(demo.output()).toContain("Embedded (asked for by --embedded)");
    expect(demo.output()).toMatch(/late write refused: article:42 changed \d+ ms after its lease/);
    expect(demo.output()).toMatch(/stale \d+ plain, 0 unstale/);
  });

  test("does not work around an address that is wrong", async () => {
    const demo = startDemo([], { ...ownServices, UNSTALE_VALKEY_URL: "valkey://127.0.0.1:1" });
    expect(await demo.ended).toBe(1);
    expect(demo.output()).toContain("127.0.0.1:1");
    expect(demo.output()).not.toMatch(/^ {4}at /m);
  });

  test("says how it is used when it does not understand", async () => {
    const demo = startDemo(["--nonsense"], {});
    expect(await demo.ended).toBe(2);
    expect(demo.output()).toContain("usage: npm run demo");
  });
});
