import { request } from "node:http";
import type { ContainerRuntimeClient } from "testcontainers";
import { Declined, ServiceUnavailableError } from "./ladder.ts";
import type { Progress } from "./progress.ts";
import { fromPath } from "./run-tool.ts";

const RYUK = "testcontainers/ryuk:0.14.0";
const PING_TIMEOUT_MS = 1_000;

export interface Docker {
  readonly client: ContainerRuntimeClient;
  /** Where published ports are to be found: 127.0.0.1, or a daemon elsewhere. */
  readonly host: string;
}

/** A daemon that answers and has the image, or gets it. Without one it declines within a second. */
export async function findDocker(
  image: string,
  env: NodeJS.ProcessEnv,
  progress: Progress,
): Promise<Docker | Declined> {
  const wish = env.UNSTALE_TEST_DOCKER ?? "";
  if (!["", "no", "only"].includes(wish)) {
    throw new ServiceUnavailableError(`Expected UNSTALE_TEST_DOCKER to be "no", "only" or unset, got "${wish}".`);
  }
  if (wish === "no") return new Declined("UNSTALE_TEST_DOCKER=no");
  const found = await lookForDocker(image, env, progress);
  if (wish === "only" && found instanceof Declined) {
    throw new ServiceUnavailableError(`Expected Docker, as UNSTALE_TEST_DOCKER=only says: ${found.why}.`);
  }
  return found;
}

async function lookForDocker(image: string, env: NodeJS.ProcessEnv, progress: Progress): Promise<Docker | Declined> {
  if (fromPath("docker", env) === undefined) return new Declined("no docker in PATH");
  const silence = await pingDaemon(env);
  if (silence !== undefined) return new Declined(`no Docker daemon answers (${silence})`);
  // Loaded only here: it is large, and most machines without a daemon never need it.
  const { getContainerRuntimeClient, ImageName } = await import("testcontainers");
  try {
    const client = await getContainerRuntimeClient();
    for (const name of [RYUK, image].map((text) => ImageName.fromString(text))) {
      if (await client.image.exists(name)) continue;
      progress(`Docker: pulling ${name.string} (once) …`);
      await client.image.pull(name);
    }
    const { host } = client.info.containerRuntime;
    return { client, host: host === "localhost" ? "127.0.0.1" : host };
  } catch (error) {
    return new Declined(`Docker cannot provide ${image}: ${firstLine(error)}`);
  }
}

let pinging: Promise<string | undefined> | undefined;

/** Undefined when the daemon answers. Asked once for services that start at the same time. */
function pingDaemon(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  pinging ??= ping(env).finally(() => {
    pinging = undefined;
  });
  return pinging;
}

/** Only at the usual places; testcontainers looks for others by itself. */
function ping({ DOCKER_HOST = "unix:///var/run/docker.sock" }: NodeJS.ProcessEnv): Promise<string | undefined> {
  const { protocol, hostname, port, pathname } = new URL(DOCKER_HOST);
  // Over ssh or TLS a ping is not so easy, and nobody sets DOCKER_HOST by accident.
  if (protocol !== "unix:" && protocol !== "http:" && !(protocol === "tcp:" && port !== "2376")) {
    return Promise.resolve(undefined);
  }
  const where = protocol === "unix:" ? { socketPath: pathname } : { host: hostname, port };
  return new Promise((resolve) => {
    const settle = (silence: string | undefined) => {
      clearTimeout(timer);
      question.destroy();
      resolve(silence);
    };
    const question = request({ ...where, path: "/_ping", agent: false }, ({ statusCode }) =>
      settle(statusCode === 200 ? undefined : `status ${statusCode}`),
    );
    // An answer that arrived while this process was busy comes first.
    const timer = setTimeout(() => setImmediate(settle, `silent for ${PING_TIMEOUT_MS} ms`), PING_TIMEOUT_MS);
    question.on("error", (error) => settle(error.message)).end();
  });
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
