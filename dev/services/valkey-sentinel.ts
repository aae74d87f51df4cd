// A Sentinel beside a primary and its replicas: it alone decides, and quickly, so that a test need not wait.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ownedControls, type ServiceHandle } from "./handle.ts";
import { Declined, ServiceUnavailableError } from "./ladder.ts";
import { OwnedProcess } from "./owned-process.ts";
import { freePort } from "./ports.ts";
import { type Progress, silent } from "./progress.ts";
import { openScratch } from "./scratch.ts";
import type { ValkeyHandle } from "./valkey.ts";
import { findValkeyBinary } from "./valkey-binary.ts";
import { identifyValkey, parseValkeyUrl } from "./valkey-probe.ts";

export interface SentinelHandle extends ServiceHandle {
  readonly host: string;
  readonly port: number;
  /** As clients ask for the primary. */
  readonly name: string;
}

export interface StartSentinelOptions {
  /** How long the primary may be silent before it counts as dead. Default 500. */
  readonly downAfterMs?: number;
  readonly progress?: Progress;
  readonly env?: NodeJS.ProcessEnv;
}

/** @throws ServiceUnavailableError where there is no server program. */
export async function startSentinel(
  primary: Pick<ValkeyHandle, "host" | "port">,
  { downAfterMs = 500, progress = silent, env = process.env }: StartSentinelOptions = {},
): Promise<SentinelHandle> {
  const binary = await findValkeyBinary(env, progress);
  if (binary instanceof Declined) throw new ServiceUnavailableError(`A Sentinel is needed: ${binary.why}.`);
  const [host, name] = ["127.0.0.1", "main"];
  const port = await freePort();
  const scratch = await openScratch("sentinel");
  const file = join(scratch.dir, "sentinel.conf");
  const lines = [
    `bind ${host}`,
    `port ${port}`,
    `dir "${scratch.dir}"`,
    `sentinel monitor ${name} ${primary.host} ${primary.port} 1`,
    `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
    `sentinel failover-timeout ${name} 5000`,
  ];
  await writeFile(file, `${lines.join("\n")}\n`);
  const address = parseValkeyUrl(`redis://${host}:${port}`);
  const server = await OwnedProcess.start({
    name: "valkey-sentinel",
    command: binary.server,
    args: [file, "--sentinel"],
    scratch,
    probe: () => identifyValkey(address, 1_000),
    startTimeoutMs: 15_000,
  });
  return Object.assign(ownedControls(server), {
    host,
    port,
    name,
    chosen: `${binary.description}, as a Sentinel on ${host}:${port}`,
  });
}
