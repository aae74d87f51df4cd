// The built `unstale`, as a process that a row may kill, stop and harm: spoken to by HTTP and signals, heard by its log.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { openScratch, type Scratch } from "../services/scratch.ts";
import type { AppliedSlice } from "./ledger.ts";
import type { Planted } from "./plant.ts";
import { RowFailure } from "./row.ts";
import { until } from "./until.ts";

const command = fileURLToPath(new URL("../../worker/main.js", import.meta.url));
const plant = new URL("./plant.js", import.meta.url).href;

export interface WorkerOptions {
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly planted: boolean;
  /** A file descriptor instead of a pipe: then its log is not heard. */
  readonly stdout?: number;
  /** Where it serves HTTP, if that cannot be learnt from its log. */
  readonly port?: number;
  /** Gets every line of its log. */
  readonly logFile?: string | undefined;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

type LogLine = Readonly<Record<string, unknown>>;

export class Worker {
  readonly name: string;
  readonly ended: Promise<Ended>;
  /** Of its log, all lines but those of slices. */
  readonly lines: LogLine[] = [];
  readonly slices: AppliedSlice[] = [];
  /** The row meant it to end. */
  mayEnd = false;
  #stderr = "";
  readonly #child: ChildProcess;
  #port: number | undefined;
  readonly #scratch: Scratch;

  private constructor({ name, settings, planted, stdout, port, logFile }: WorkerOptions, scratch: Scratch) {
    this.#scratch = scratch;
    this.name = name;
    this.#port = port;
    const args = [...(planted ? ["--import", plant] : []), command, "run"];
    this.#child = spawn(process.execPath, args, {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...settings },
      stdio: ["ignore", stdout ?? "pipe", "pipe", ...(planted ? (["ipc"] as const) : [])],
    });
    scratch.guard(this.#child.pid);
    if (this.#child.stdout) {
      createInterface(this.#child.stdout).on("line", (line) => {
        if (logFile !== undefined) appendFileSync(logFile, `${line}\n`);
        this.#hear(line);
      });
    }
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.ended = once(this.#child, "close").then(async ([code, signal]) => {
      await this.#scratch.release();
      return { code: code as number | null, signal: signal as NodeJS.Signals | null };
    });
  }

  /** A process that ends with ours, however that ends. */
  static async start(options: WorkerOptions): Promise<Worker> {
    return new Worker(options, await openScratch("chaos-worker"));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get stdoutPipe(): ChildProcess["stdout"] {
    return this.#child.stdout;
  }

  /** Whether a line of its log has this in its message, or in that of its error. */
  said(text: string): boolean {
    return this.lines.some(({ msg, err }) => {
      const { message = "" } = (err ?? {}) as { readonly message?: string };
      return String(msg).includes(text) || message.includes(text);
    });
  }

  async get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    if (!this.alive) throw new RowFailure(`${this.name} ended by itself:\n${this.tail()}`);
    if (this.#port === undefined) throw new Error("serves no HTTP yet");
    const signal = AbortSignal.timeout(2_000);
    const response = await fetch(`http://127.0.0.1:${this.#port}${path}`, { signal });
    return { status: response.status, text: await response.text() };
  }

  async ready(timeoutMs = 45_000): Promise<void> {
    await until(`${this.name} is ready`, async () => (await this.get("/readyz")).status === 200, timeoutMs).catch(
      async (error: unknown) => {
        const why = await this.get("/readyz?verbose").catch(() => ({ text: "no answer" }));
        throw new RowFailure(`${String(error)}\n${why.text}\n${this.tail()}`);
      },
    );
  }

  /** The sum of a metric over all its label sets that hold `labels`. */
  async metric(name: string, labels = ""): Promise<number> {
    const { text } = await this.get("/metrics");
    return text
      .split("\n")
      .filter((line) => line.startsWith(`${name}{`) && line.includes(labels))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  /** How many partitions it owns, by its metrics. */
  owned(): Promise<number> {
    return this.metric("unstale_worker_partitions", 'state="owned"');
  }

  /** Its partitions of a topic when it last joined, by its log. */
  partitions(topic: string): number[] {
    const names = this.lines.findLast(({ msg }) => msg === "joined the group")?.partitions as string[] | undefined;
    const prefix = `${topic}/`;
    return (names ?? []).filter((name) => name.startsWith(prefix)).map((name) => Number(name.slice(prefix.length)));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    this.mayEnd = true;
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  /** Makes a bug or a shifted clock come true inside it; resolves when that is done. */
  async plant(fault: Planted): Promise<void> {
    const answered = once(this.#child, "message");
    this.#child.send(fault);
    await answered;
  }

  /** For an end of its own: SIGTERM, and SIGKILL if that is not heard. */
  async stop(): Promise<void> {
    this.mayEnd = true;
    if (!this.alive) return;
    this.#child.kill("SIGCONT");
    this.#child.kill("SIGTERM");
    const impatient = setTimeout(() => this.#child.kill("SIGKILL"), 20_000);
    await this.ended;
    clearTimeout(impatient);
  }

  tail(count = 12): string {
    const lines = this.lines.slice(-count).map((line) => JSON.stringify(line).slice(0, 600));
    return [...lines, this.#stderr.slice(-2_000)].join("\n");
  }

  #hear(text: string): void {
    let line: LogLine;
    try {
      line = JSON.parse(text) as LogLine;
    } catch {
      this.lines.push({ msg: text });
      return;
    }
    const { msg, topic, partition, first, next, time } = line;
    if (msg === "slice applied") {
      const numbers = { partition: Number(partition), first: Number(first), next: Number(next) };
      // Its clock may be shifted, ours is not; the line takes no noticeable time.
      this.slices.push({ topic: String(topic), ...numbers, at: Date.now() });
      return;
    }
    if (String(msg).startsWith("serving http")) this.#port = Number(line.port);
    this.lines.push({ ...line, time });
  }
}
