import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { valkeyFromDocker } from "./docker-valkey.ts";
import { borrowedControls, ownedControls, type ServiceHandle } from "./handle.ts";
import { climb, Declined, type Rung, ServiceUnavailableError } from "./ladder.ts";
import { OwnedProcess } from "./owned-process.ts";
import { freePort } from "./ports.ts";
import { type Progress, silent } from "./progress.ts";
import { openScratch } from "./scratch.ts";
import { findValkeyBinary, isAtLeast, OLDEST, type ValkeyBinary } from "./valkey-binary.ts";
import { identifyValkey, parseValkeyUrl, redacted } from "./valkey-probe.ts";

export interface ValkeyHandle extends ServiceHandle {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** A command line client that fits, where one was found with the server. */
  readonly cli: string | undefined;
}

export interface StartValkeyOptions {
  readonly progress?: Progress;
  /** Lines of valkey.conf, added last: `maxmemory 8mb`, `appendonly yes`, `replicaof 127.0.0.1 7000`. */
  readonly config?: readonly string[];
  /** A server of our own, whatever the environment offers. Follows from `config`. */
  readonly fresh?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

const VARIABLES = ["UNSTALE_VALKEY_URL", "VALKEY_URL"] as const;

export async function startValkey({
  progress = silent,
  config = [],
  fresh = config.length > 0,
  env = process.env,
}: StartValkeyOptions = {}): Promise<ValkeyHandle> {
  const rungs: Rung<ValkeyHandle>[] = [
    { name: "environment", take: () => fromEnvironment(env, fresh) },
    { name: "Docker", take: () => valkeyFromDocker(env, config, progress) },
    { name: "local process", take: () => fromLocalProcess(env, config, progress) },
  ];
  const advice =
    "Give an address instead: UNSTALE_VALKEY_URL=redis://host:6379" +
    (fresh ? " does not help here, as a server of its own is needed; put valkey-server 7.2 or newer in PATH." : "");
  return climb({ service: "Valkey", rungs, progress, advice });
}

/** A replica of a server of ours; it may lag and be promoted like any other. */
export function startValkeyReplica(
  primary: Pick<ValkeyHandle, "host" | "port">,
  { config = [], ...options }: StartValkeyOptions = {},
): Promise<ValkeyHandle> {
  return startValkey({ ...options, config: [`replicaof ${primary.host} ${primary.port}`, ...config] });
}

async function fromEnvironment(env: NodeJS.ProcessEnv, fresh: boolean): Promise<ValkeyHandle | Declined> {
  if (fresh) return new Declined("a server of its own was asked for");
  const variable = VARIABLES.find((name) => env[name]);
  const url = variable && env[variable];
  if (!variable || !url) return new Declined(`${VARIABLES.join(" and ")} are not set`);
  const address = parseValkeyUrl(url);
  const { product, version } = await identifyValkey(address).catch((error: Error) => {
    throw new ServiceUnavailableError(
      `Expected Valkey at ${redacted(url)} (${variable}) to answer: ${error.message}. Start it, correct the address, ` +
        `or unset ${variable} to have a local one started.`,
    );
  });
  if (!isAtLeast(version, OLDEST)) {
    throw new ServiceUnavailableError(
      `Expected Valkey or Redis ${OLDEST} or newer at ${redacted(url)} (${variable}), got ${product} ${version}.`,
    );
  }
  return {
    ...borrowedControls(variable),
    url,
    host: address.host,
    port: address.port,
    cli: undefined,
    chosen: `${product} ${version} at ${redacted(url)}, given by ${variable}`,
  };
}

async function fromLocalProcess(
  env: NodeJS.ProcessEnv,
  config: readonly string[],
  progress: Progress,
): Promise<ValkeyHandle | Declined> {
  const binary = await findValkeyBinary(env, progress);
  return binary instanceof Declined ? binary : startValkeyProcess(binary, config);
}

// Nothing on disk unless asked for, and a replica need not wait for others to sync with it.
const BASE_CONFIG = ["daemonize no", 'save ""', "appendonly no", "repl-diskless-sync-delay 0"];
const PORT_TRIES = 3;

export async function startValkeyProcess(
  binary: ValkeyBinary,
  config: readonly string[],
  tries = 1,
): Promise<ValkeyHandle> {
  const host = "127.0.0.1";
  const port = await freePort();
  const scratch = await openScratch("valkey");
  const file = join(scratch.dir, "valkey.conf");
  const base = [`bind ${host}`, `port ${port}`, `dir "${scratch.dir}"`, ...BASE_CONFIG];
  await writeFile(file, `${[...base, ...config].join("\n")}\n`);
  const address = parseValkeyUrl(`redis://${host}:${port}`);
  const password =
    config.map((line) => /^requirepass\s+(\S+)/.exec(line)?.[1]).find((word) => word !== undefined) ?? "";
  const launch = OwnedProcess.start({
    name: "valkey-server",
    command: binary.server,
    args: [file],
    scratch,
    probe: () => identifyValkey({ ...address, password }, 1_000),
    startTimeoutMs: 15_000,
  });
  const server = await launch.catch((error: Error) => {
    if (tries < PORT_TRIES && /Address already in use/i.test(error.message)) return undefined;
    throw error;
  });
  if (server === undefined) return startValkeyProcess(binary, config, tries + 1);
  const login = password === "" ? "" : `:${encodeURIComponent(password)}@`;
  return Object.assign(ownedControls(server), {
    url: `redis://${login}${host}:${port}`,
    host,
    port,
    cli: binary.cli,
    chosen: `${binary.description}, started on ${host}:${port}`,
  });
}
