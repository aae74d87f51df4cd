import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cached, cacheFolder } from "./cache-folder.ts";
import { unpackDebianPackages } from "./debian-packages.ts";
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
const PACKAGES = ["valkey-server", "valkey-tools", "liblzf1", "libjemalloc2"];
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
  for (const tool of ["apt-get", "dpkg"]) {
    if (fromPath(tool, env) === undefined) {
      return new Declined(`${noneInPath}, and no ${tool} to fetch Debian's packages with`);
    }
  }
  try {
    return await fromDebian(env, progress);
  } catch (error) {
    return new Declined(`${noneInPath}, and ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function fromDebian(env: NodeJS.ProcessEnv, progress: Progress): Promise<ValkeyBinary> {
  const release = await readFile("/etc/os-release", "utf8");
  const codename = /^VERSION_CODENAME="?([\w-]+)/m.exec(release)?.[1];
  if (codename === undefined) throw new Error("/etc/os-release names no VERSION_CODENAME to fetch packages for");
  const folder = cacheFolder(env);
  const item = `valkey-${codename}-${process.arch}`;
  const onStep = (step: string) => progress(`Valkey: ${step} …`, { transient: true });
  const path = await cached({
    folder,
    item,
    progress: (line) => progress(`Valkey: ${line}`),
    build: async (partial) => {
      await unpackDebianPackages({ packages: PACKAGES, codename, folder: partial, onStep });
      await rm(join(partial, "apt"), { recursive: true });
      await writeLaunchers(partial);
      // A missing library shows here, before the item gets its name.
      await versionOf(join(partial, "bin", "valkey-server"));
    },
  });
  const server = join(path, "bin", "valkey-server");
  const { product, version } = await versionOf(server);
  return {
    server,
    cli: join(path, "bin", "valkey-cli"),
    description: `${product} ${version} from Debian's packages in ${path}`,
  };
}

/** The unpacked programs need the unpacked libraries; `exec` keeps the pid. */
async function writeLaunchers(folder: string): Promise<void> {
  await mkdir(join(folder, "bin"));
  for (const name of ["valkey-server", "valkey-cli"]) {
    const script = [
      "#!/bin/sh",
      'root=$(cd "$(dirname "$0")/../root" && pwd)',
      'LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu*)',
      "export LD_LIBRARY_PATH",
      `exec "$root/usr/bin/${name}" "$@"`,
      "",
    ].join("\n");
    await writeFile(join(folder, "bin", name), script);
    await chmod(join(folder, "bin", name), 0o755);
  }
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
