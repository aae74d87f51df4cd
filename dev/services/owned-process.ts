import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Scratch } from "./scratch.ts";

export interface OwnedProcessOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Holds the data and the log; removed by `stop()`. */
  readonly scratch: Scratch;
  /** Resolves once the server answers as it should; rejects while it does not. */
  readonly probe: () => Promise<unknown>;
  readonly startTimeoutMs: number;
}

const GRACE_MS = 15_000;
const PROBE_EVERY_MS = 15;

/** A server we started: watched, so that it ends when we do, and controlled only by its pid. */
export class OwnedProcess {
  readonly logFile: string;
  readonly #options: OwnedProcessOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;

  private constructor(options: OwnedProcessOptions) {
    this.#options = options;
    this.logFile = join(options.scratch.dir, "log.txt");
  }

  /** Resolves when the server is ready. When it does not get there, nothing is left behind. */
  static async start(options: OwnedProcessOptions): Promise<OwnedProcess> {
    const server = new OwnedProcess(options);
    try {
      await server.#launch();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  pause(): void {
    this.#running("pause").kill("SIGSTOP");
  }

  resume(): void {
    this.#running("resume").kill("SIGCONT");
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async restart(): Promise<void> {
    if (this.#stopped !== undefined) throw new Error(`Expected ${this.#options.name} to exist, but it was stopped.`);
    await this.#end("SIGTERM");
    await this.#launch();
  }

  /** Asks it to end by itself, and waits; the data stays until `stop()`. */
  async finish(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** The data is of no use afterwards, so there is nothing to be gentle about. */
  stop(): Promise<void> {
    this.#stopped ??= this.#end("SIGKILL").then(() => this.#options.scratch.release());
    return this.#stopped;
  }

  #running(verb: string): ChildProcess {
    if (this.#child === undefined) throw new Error(`Expected ${this.#options.name} to run in order to ${verb} it.`);
    return this.#child;
  }

  async #launch(): Promise<void> {
    const { name, command, args, scratch } = this.#options;
    const log = openSync(this.logFile, "a");
    // Detached: Ctrl-C on the terminal reaches us only, and we end our servers in order.
    const child = spawn(command, args, { cwd: scratch.dir, detached: true, stdio: ["ignore", log, log] });
    closeSync(log);
    if (child.pid !== undefined) {
      this.#child = child;
      scratch.guard(child.pid);
    }
    let failure: Error | undefined;
    child.once("error", (error) => {
      failure = new Error(`Expected ${name} to start: ${error.message}`);
    });
    this.#exited = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        failure = new Error(
          `${name} ended with ${signal ?? `exit code ${code}`}. Its last output:\n${this.#lastLines()}`,
        );
        this.#child = undefined;
        scratch.guard(undefined);
        resolve();
      });
    });
    await this.#ready(() => failure);
    child.unref();
  }

  async #ready(failure: () => Error | undefined): Promise<void> {
    const { name, probe, startTimeoutMs } = this.#options;
    const deadline = Date.now() + startTimeoutMs;
    for (;;) {
      const refusal = await probe().then(
        () => undefined,
        (error: unknown) => error ?? new Error("no reason given"),
      );
      const failed = failure();
      if (failed !== undefined) throw failed;
      if (refusal === undefined) return;
      if (Date.now() > deadline) {
        throw new Error(
          `Expected ${name} to answer within ${startTimeoutMs / 1000} s. Its last output:\n${this.#lastLines()}`,
          { cause: refusal },
        );
      }
      await delay(PROBE_EVERY_MS);
    }
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.ref();
    child.kill(signal);
    child.kill("SIGCONT");
    const impatient = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
    await this.#exited;
    clearTimeout(impatient);
  }

  #lastLines(): string {
    return readFileSync(this.logFile, "utf8").trimEnd().split("\n").slice(-15).join("\n");
  }
}
