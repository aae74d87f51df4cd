// The built `unstale`, as a process: spoken to through its command line, HTTP, Kafka, Valkey and signals only.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { waitFor } from "../support/wait-for.ts";

const main = fileURLToPath(new URL("../../dist/worker/main.js", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface WorkerProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Log lines so far, parsed. */
  logs(): readonly Readonly<Record<string, unknown>>[];
  /** Whether a log line holds the text. */
  said(text: string): boolean;
  /** Resolves when the HTTP server listens. */
  url(): Promise<string>;
  get(path: string): Promise<{ readonly status: number; readonly text: string }>;
  /** Resolves when `/readyz` says so. */
  ready(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
}

const running = new Set<WorkerProcess>();

/** Variables of this process that a child may see: none that could be a setting. */
function surroundings(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: process.env.HOME, ...env };
}

export function startUnstale(args: readonly string[], env: Readonly<Record<string, string>>): WorkerProcess {
  if (!existsSync(main)) throw new Error(`Expected ${main} to be built: npm run build`);
  const child = spawn(process.execPath, [main, ...args], { env: surroundings(env), stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  const ended = once(child, "close").then(([code, signal]): Ended => {
    running.delete(worker);
    return { code: code as number | null, signal: signal as NodeJS.Signals | null, ...output };
  });

  const logs = (): Readonly<Record<string, unknown>>[] =>
    output.stdout
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const worker: WorkerProcess = {
    child,
    pid: child.pid ?? 0,
    logs,
    said: (text) => output.stdout.includes(text),
    url: async () => {
      const address = (): unknown => logs().find(({ msg }) => String(msg).startsWith("serving http"))?.port;
      await waitFor(() => {
        if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${output.stdout}${output.stderr}`);
        return address() !== undefined;
      });
      return `http://127.0.0.1:${String(address())}`;
    },
    get: async (path) => {
      const response = await fetch((await worker.url()) + path);
      return { status: response.status, text: await response.text() };
    },
    ready: async () => {
      try {
        await waitFor(async () => (await worker.get("/readyz")).status === 200, 60_000);
      } catch (error) {
        const { text } = await worker.get("/readyz?verbose");
        throw new Error(`Not ready:\n${text}\n${output.stdout.slice(-8_000)}`, { cause: error });
      }
    },
    kill: (signal) => void child.kill(signal),
    ended,
  };
  running.add(worker);
  return worker;
}

/** One command from begin to end. */
export function unstale(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  return startUnstale(args, env).ended;
}

/** For `afterEach`: no process outlives its test. */
export async function endAll(): Promise<void> {
  const left = [...running];
  for (const worker of left) {
    worker.child.kill("SIGCONT");
    worker.child.kill("SIGKILL");
  }
  await Promise.all(left.map((worker) => worker.ended));
}

/** The value of a metric: the sum over all its label sets that hold `labels`. */
export async function metric(worker: WorkerProcess, name: string, labels = ""): Promise<number> {
  const { text } = await worker.get("/metrics");
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}
