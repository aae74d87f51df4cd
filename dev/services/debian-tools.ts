import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cached, cacheFolder } from "./cache-folder.ts";
import { unpackDebianPackages } from "./debian-packages.ts";
import type { Progress } from "./progress.ts";
import { fromPath } from "./run-tool.ts";

export interface DebianTools {
  /** What it is called to people: `Valkey`. */
  readonly title: string;
  /** What it is called in the cache folder: `valkey`. */
  readonly name: string;
  readonly packages: readonly string[];
  /** Paths of programs in the packages, which get launchers in `bin/`. */
  readonly programs: readonly string[];
  /** Throws where a program does not run: a missing library shows here, before the item gets its name. */
  readonly check: (bin: string) => Promise<unknown>;
}

/** Why Debian's packages cannot be fetched here, if so. */
export function noDebian(env: NodeJS.ProcessEnv): string | undefined {
  const missing = ["apt-get", "dpkg"].find((tool) => fromPath(tool, env) === undefined);
  return missing === undefined ? undefined : `no ${missing} to fetch Debian's packages with`;
}

/** Programs of Debian's packages, unpacked into the cache folder: the path of a folder with `bin/` and `root/`. */
export async function fromDebian(tools: DebianTools, env: NodeJS.ProcessEnv, progress: Progress): Promise<string> {
  const release = await readFile("/etc/os-release", "utf8");
  const codename = /^VERSION_CODENAME="?([\w-]+)/m.exec(release)?.[1];
  if (codename === undefined) throw new Error("/etc/os-release names no VERSION_CODENAME to fetch packages for");
  const { title, name, packages, programs, check } = tools;
  const onStep = (step: string) => progress(`${title}: ${step} …`, { transient: true });
  return cached({
    folder: cacheFolder(env),
    item: `${name}-${codename}-${process.arch}`,
    progress: (line) => progress(`${title}: ${line}`),
    build: async (partial) => {
      await unpackDebianPackages({ packages, codename, folder: partial, onStep });
      await rm(join(partial, "apt"), { recursive: true });
      await mkdir(join(partial, "bin"));
      for (const program of programs) await writeLauncher(partial, program);
      await check(join(partial, "bin"));
    },
  });
}

/** The unpacked programs need the unpacked libraries; `exec` keeps the pid. */
async function writeLauncher(folder: string, program: string): Promise<void> {
  const script = [
    "#!/bin/sh",
    'root=$(cd "$(dirname "$0")/../root" && pwd)',
    'LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu*)',
    "export LD_LIBRARY_PATH",
    `exec "$root/${program}" "$@"`,
    "",
  ].join("\n");
  const launcher = join(folder, "bin", program.split("/").at(-1) ?? program);
  await writeFile(launcher, script);
  await chmod(launcher, 0o755);
}
