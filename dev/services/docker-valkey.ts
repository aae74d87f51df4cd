import { findDocker } from "./docker.ts";
import { HOST_FROM_INSIDE, startContainer } from "./docker-container.ts";
import { Declined } from "./ladder.ts";
import { freePort } from "./ports.ts";
import type { Progress } from "./progress.ts";
import type { ValkeyHandle } from "./valkey.ts";
import { identifyValkey, parseValkeyUrl } from "./valkey-probe.ts";

export const VALKEY_IMAGE = "valkey/valkey:8.0";

const CONFIG_FILE = "/etc/unstale-valkey.conf";
const PORT_TRIES = 3;

export async function valkeyFromDocker(
  env: NodeJS.ProcessEnv,
  config: readonly string[],
  progress: Progress,
): Promise<ValkeyHandle | Declined> {
  const docker = await findDocker(VALKEY_IMAGE, env, progress);
  if (docker instanceof Declined) return docker;
  const password =
    config.map((line) => /^requirepass\s+(\S+)/.exec(line)?.[1]).find((word) => word !== undefined) ?? "";
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const address = { ...parseValkeyUrl(`redis://${docker.host}:${port}`), password };
    try {
      const controls = await startContainer({
        docker,
        name: "valkey-server",
        image: VALKEY_IMAGE,
        command: ["valkey-server", CONFIG_FILE],
        files: [{ target: CONFIG_FILE, content: configText(port, config) }],
        port,
        probe: () => identifyValkey(address, 1_000),
        startTimeoutMs: 15_000,
      });
      const { product, version } = await identifyValkey(address);
      const login = password === "" ? "" : `:${encodeURIComponent(password)}@`;
      const { host } = docker;
      const chosen = `${product} ${version} in Docker from ${VALKEY_IMAGE}, started on ${host}:${port}`;
      return Object.assign(controls, { url: `redis://${login}${host}:${port}`, host, port, cli: undefined, chosen });
    } catch (error) {
      if (attempt === PORT_TRIES || !isPortTaken(error)) throw error;
    }
  }
}

export function isPortTaken(error: unknown): boolean {
  return error instanceof Error && /port is already allocated|address already in use/i.test(error.message);
}

function configText(port: number, config: readonly string[]): string {
  // As for a local process; only that other machines, the one outside among them, may come in.
  const base = ["bind * -::*", "protected-mode no", `port ${port}`, "dir /data", 'save ""', "appendonly no"];
  const lines = [...base, "repl-diskless-sync-delay 0", ...config];
  return `${lines.map((line) => line.replace(/^(replicaof) (?:127\.0\.0\.1|localhost) /, `$1 ${HOST_FROM_INSIDE} `)).join("\n")}\n`;
}
