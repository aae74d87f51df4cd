// A container by testcontainers, behind the same handle as a process of ours. Three things differ from what testcontainers
// does by default: the port is chosen here and is the same inside and outside, so that it survives a restart; our own
// watchdog removes the container when we die; and readiness is what our probe says, after each restart, too.
import { execFileSync } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { ContainerRuntimeClient } from "testcontainers";
import type { Docker } from "./docker.ts";
import { type ContainerWatchdog, watchContainer } from "./docker-watchdog.ts";
import type { ServiceHandle } from "./handle.ts";
import { openScratch, type Scratch } from "./scratch.ts";

/** How programs inside of a container call the machine that publishes the ports. */
export const HOST_FROM_INSIDE = "host.docker.internal";

const PROBE_EVERY_MS = 25;
const LAST_WORDS_MS = 5_000;

export interface ContainerOptions {
  readonly docker: Docker;
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly files?: readonly { readonly target: string; readonly content: string }[];
  /** Inside and outside. */
  readonly port: number;
  /** Resolves once the server answers as it should; rejects while it does not. */
  readonly probe: () => Promise<unknown>;
  readonly startTimeoutMs: number;
}

/** Starts a container, and resolves when the server in it is ready. When it does not get there, nothing is left behind. */
export async function startContainer(options: ContainerOptions): Promise<Omit<ServiceHandle, "chosen">> {
  const { docker, image, command, environment = {}, files = [], port } = options;
  const { GenericContainer } = await import("testcontainers");
  const started = await new GenericContainer(image)
    .withCommand([...command])
    .withEnvironment(environment)
    .withCopyContentToContainer(files.map((file) => ({ ...file, mode: 0o644 })))
    .withExposedPorts({ container: port, host: port })
    .withExtraHosts([{ host: HOST_FROM_INSIDE, ipAddress: "host-gateway" }])
    // What is ready is decided below, and after each restart in the same way.
    .withWaitStrategy(noWait)
    .start();
  const container = docker.client.container.getById(started.getId());
  const watchdog = await watchContainer(container.id);
  const controls = new Container(options, container, { watchdog, scratch: await openScratch("docker") });
  try {
    await controls.follow();
  } catch (error) {
    await controls.stop();
    throw error;
  }
  return controls;
}

const noWait = {
  waitUntilReady: async () => {},
  withStartupTimeout: () => noWait,
  isStartupTimeoutSet: () => false,
  getStartupTimeout: () => 0,
};

type RawContainer = ReturnType<ContainerRuntimeClient["container"]["getById"]>;

interface Guards {
  readonly watchdog: ContainerWatchdog;
  readonly scratch: Scratch;
}

class Container implements Omit<ServiceHandle, "chosen"> {
  readonly owned = true;
  readonly logFile: string;
  readonly #options: ContainerOptions;
  readonly #container: RawContainer;
  readonly #guards: Guards;
  #pid: number | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: ContainerOptions, container: RawContainer, guards: Guards) {
    this.#options = options;
    this.#container = container;
    this.#guards = guards;
    this.logFile = join(guards.scratch.dir, "log.txt");
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  // The handle's pause takes effect before it returns; the API could only promise that.
  pause(): void {
    this.#docker("pause");
  }

  resume(): void {
    this.#docker("unpause");
  }

  async kill(): Promise<void> {
    await this.#container.kill();
    await this.#container.wait();
    this.#pid = undefined;
  }

  async restart(): Promise<void> {
    if (this.#stopped !== undefined) throw new Error(`Expected ${this.#options.name} to exist, but it was stopped.`);
    await this.#container.restart({ t: 15 });
    await this.follow();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#remove();
    return this.#stopped;
  }

  /** From a start on: keeps its output, and waits until it is ready. */
  async follow(): Promise<void> {
    const { docker, name, probe, startTimeoutMs } = this.#options;
    const { State } = await this.#container.inspect();
    this.#pid = pidOnThisMachine(State.Pid, this.#container.id);
    const since = Math.floor(new Date(State.StartedAt).getTime() / 1_000);
    const output = await docker.client.container.logs(this.#container, { since });
    output.on("data", (chunk: Buffer | string) => appendFileSync(this.logFile, chunk)).on("error", () => {});
    const saidAll = finished(output).catch(() => {});
    const deadline = Date.now() + startTimeoutMs;
    for (;;) {
      const refusal = await probe().then(
        () => undefined,
        (error: unknown) => error ?? new Error("no reason given"),
      );
      if (refusal === undefined) return;
      const { Running, ExitCode } = (await this.#container.inspect()).State;
      if (!Running) {
        // Its output may arrive after its end.
        await Promise.race([saidAll, delay(LAST_WORDS_MS, undefined, { ref: false })]);
        throw new Error(`${name} ended with exit code ${ExitCode}. Its last output:\n${this.#lastLines()}`);
      }
      if (Date.now() > deadline) {
        throw new Error(
          `Expected ${name} to answer within ${startTimeoutMs / 1_000} s. Its last output:\n${this.#lastLines()}`,
          { cause: refusal },
        );
      }
      await delay(PROBE_EVERY_MS);
    }
  }

  async #remove(): Promise<void> {
    await this.#container.unpause().catch(() => {});
    await this.#container.remove({ force: true, v: true });
    this.#pid = undefined;
    await this.#guards.watchdog.dismiss();
    await this.#guards.scratch.release();
  }

  #docker(verb: string): void {
    execFileSync("docker", [verb, this.#container.id], { stdio: ["ignore", "ignore", "pipe"] });
  }

  #lastLines(): string {
    try {
      return readFileSync(this.logFile, "utf8").trimEnd().split("\n").slice(-15).join("\n");
    } catch {
      return "none";
    }
  }
}

/** The daemon may be in a virtual machine or elsewhere; then its process ids mean nothing here. */
function pidOnThisMachine(pid: number, id: string): number | undefined {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(id) ? pid : undefined;
  } catch {
    return undefined;
  }
}
