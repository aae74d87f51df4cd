import { join } from "node:path";
import { fromDebian, noDebian } from "./debian-tools.ts";
import { Declined } from "./ladder.ts";
import type { Progress } from "./progress.ts";
import { fromPath, runTool } from "./run-tool.ts";

export interface ValkeyBinary {
  readonly server: string;
  readonly cli: string | undefined;
  /** "Valkey 8.0.1 from /usr/bin/valkey-server" */
  readonly description: string;
}

export const OLDEST = "7.2";
const NAMES = [
  { server: "valkey-server", cli: "valkey-cli" },
  { server: "redis-server", cli: "redis-cli" },
];

/** From PATH, or else Debian's packages in the cache folder. */
export async function findValkeyBinary(env: NodeJS.ProcessEnv, progress: Progress): Promise<ValkeyBinary | Declined> {
  const tooOld: string[] = [];
  for (const { server, cli } of NAMES) {
    const file = fromPath(server, env);
    if (file === undefined) continue;
    const { product, version } = await versionOf(file);
    if (isAtLeast(version, OLDEST)) {
      return { server: file, cli: fromPath(cli, env), description: `${product} ${version} from ${file}` };
    }
    tooOld.push(`${file} is ${version}, older than ${OLDEST}`);
  }
  const noneInPath = [...tooOld, ...(tooOld.length > 0 ? [] : ["no valkey-server in PATH"])].join(", ");
  const obstacle = noDebian(env);
  if (obstacle !== undefined) return new Declined(`${noneInPath}, and ${obstacle}`);
  try {
    return await unpacked(env, progress);
  } catch (error) {
    return new Declined(`${noneInPath}, and ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function unpacked(env: NodeJS.ProcessEnv, progress: Progress): Promise<ValkeyBinary> {
  const tools = {
    title: "Valkey",
    name: "valkey",
    packages: ["valkey-server", "valkey-tools", "liblzf1", "libjemalloc2"],
    programs: ["usr/bin/valkey-server", "usr/bin/valkey-cli"],
    check: (bin: string) => versionOf(join(bin, "valkey-server")),
  };
  const path = await fromDebian(tools, env, progress);
  const server = join(path, "bin", "valkey-server");
  const { product, version } = await versionOf(server);
  return {
    server,
    cli: join(path, "bin", "valkey-cli"),
    description: `${product} ${version} from Debian's packages in ${path}`,
  };
}

async function versionOf(server: string): Promise<{ product: string; version: string }> {
  const text = await runTool({ command: server, args: ["--version"] });
  const [, product, version] = /(Valkey|Redis) server v=([\d.]+)/.exec(text) ?? [];
  if (product === undefined || version === undefined) {
    throw new Error(`Expected ${server} --version to name a version, got: ${text.trim()}`);
  }
  return { product, version };
}

export function isAtLeast(version: string, oldest: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldest.split(".").map(Number);
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}
