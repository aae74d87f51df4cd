import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { OwnedProcess } from "../dev/services/owned-process.ts";
import { freePort } from "../dev/services/ports.ts";
import { openScratch } from "../dev/services/scratch.ts";
import type { Lab } from "./bench.ts";

export interface WorkerProcess {
  readonly pid: number;
  readonly http: string;
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export interface Wiring {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly groupId: string;
  readonly valkeyUrl: string;
}

/** `unstale run` as it ships, in a process of its own; resolves when it is ready. */
export async function startWorker(lab: Lab, wiring: Wiring): Promise<WorkerProcess> {
  const port = await freePort();
  const http = `http://127.0.0.1:${port}`;
  const settings = {
    UNSTALE_KAFKA_BROKERS: wiring.brokers.join(","),
    UNSTALE_KAFKA_TOPICS: wiring.topic,
    UNSTALE_KAFKA_GROUP_ID: wiring.groupId,
    UNSTALE_VALKEY_URL: wiring.valkeyUrl,
    UNSTALE_HTTP_PORT: String(port),
    OTEL_TRACES_EXPORTER: "none",
    OTEL_METRICS_EXPORTER: "none",
    OTEL_LOGS_EXPORTER: "none",
  };
  const program = join(lab.dist, "worker", "main.js");
  // What else the caller's environment says to a worker is not meant for this one.
  const foreign = Object.keys(process.env).filter((name) => /^(UNSTALE|OTEL)_/.test(name));
  const variables = [
    ...foreign.flatMap((name) => ["-u", name]),
    ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
  ];
  const flags = (process.env.UNSTALE_BENCH_WORKER_FLAGS ?? "").split(" ").filter((flag) => flag !== "");
  const worker = await OwnedProcess.start({
    name: "unstale run",
    command: "env",
    args: [...variables, process.execPath, ...flags, program, "run"],
    scratch: await openScratch("bench-worker"),
    probe: () => ready(http),
    startTimeoutMs: 60_000,
  });
  lab.onEnd(() => worker.stop());
  return {
    pid: worker.pid ?? 0,
    http,
    pause: () => worker.pause(),
    resume: () => worker.resume(),
    stop: async () => {
      await worker.finish();
      await worker.stop();
    },
  };
}

async function ready(http: string): Promise<void> {
  const response = await fetch(`${http}/readyz`, { signal: AbortSignal.timeout(2_000) });
  if (!response.ok) throw new Error(`not ready: ${await response.text()}`);
}

export interface ConsumerProcess {
  /** Records that it has had. */
  count(): Promise<number>;
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export async function startConsumer(lab: Lab, kind: "raw" | "plain", wiring: Wiring): Promise<ConsumerProcess> {
  const { brokers, topic, groupId, valkeyUrl } = wiring;
  const child = fork(join(lab.dist, "bench", "consumer-program.js"), [
    kind,
    brokers.join(","),
    topic,
    groupId,
    valkeyUrl,
  ]);
  const ended = once(child, "exit");
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await ended;
    }
  };
  lab.onEnd(stop);
  await Promise.race([
    once(child, "message"),
    ended.then(() => Promise.reject(new Error(`The ${kind} consumer ended before it was ready.`))),
  ]);
  return {
    count: () => countOf(child),
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    stop,
  };
}

async function countOf(child: ChildProcess): Promise<number> {
  const answer = once(child, "message");
  child.send("count");
  const [message]: unknown[] = await answer;
  // "ready" once more after a rebalance.
  if (typeof message === "object" && message !== null && "count" in message) return Number(message.count);
  return countOf(child);
}

export interface ProcessUsage {
  /** Microseconds of CPU since it began. */
  readonly cpuMicros: number;
  readonly residentBytes: number;
}

/** Of Linux' /proc. */
export async function processUsage(pid: number): Promise<ProcessUsage> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // Behind the name, which may hold spaces: utime and stime are the 14th and 15th fields.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const resident = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1_024;
  return { cpuMicros: ticks * 10_000, residentBytes: resident };
}

/** Asks until the answer is yes. */
export async function until(claim: () => Promise<boolean>, what: string, timeoutMs = 60_000): Promise<void> {
  const impatient = performance.now() + timeoutMs;
  while (!(await claim())) {
    if (performance.now() > impatient) throw new Error(`Waited ${timeoutMs / 1_000} s in vain for ${what}.`);
    await delay(5);
  }
}
