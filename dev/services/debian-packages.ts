import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type AptFile, parseAptFiles, privateSources } from "./apt-sources.ts";
import { runTool, ToolFailedError } from "./run-tool.ts";

export interface UnpackOptions {
  readonly packages: readonly string[];
  readonly codename: string;
  /** Empty; receives `root/`, the unpacked files. */
  readonly folder: string;
  readonly onStep: (step: string) => void;
  readonly aptFolder?: string;
}

/** Downloads packages and unpacks them without installing: no root needed, and the system's apt state stays untouched. */
export async function unpackDebianPackages(options: UnpackOptions): Promise<void> {
  const { packages, codename, folder, onStep, aptFolder = "/etc/apt" } = options;
  const sources = privateSources(parseAptFiles(await readAptFiles(aptFolder)), codename);
  if (sources === "") throw new Error(`Expected an archive for ${codename} in ${aptFolder}, found none.`);
  const apt = join(folder, "apt");
  for (const path of ["lists/partial", "cache/archives/partial", "sources", "debs"]) {
    await mkdir(join(apt, path), { recursive: true });
  }
  await writeFile(join(apt, "sources", "unstale.sources"), sources);
  await writeFile(join(apt, "status"), "");
  const settings = aptSettings(apt);

  // A mirror without backports makes `update` fail, and the download may succeed all the same: it has the last word.
  let updateFailure: unknown;
  onStep("reading Debian's package lists");
  await runTool({ command: "apt-get", args: [...settings, "update"] }).catch((error: unknown) => {
    updateFailure = error;
  });
  const download = { command: "apt-get", args: [...settings, "download", ...packages], cwd: join(apt, "debs") };
  onStep(`downloading ${packages.join(", ")}`);
  await runTool(download).catch((error: unknown) => {
    throw new Error(`apt-get could not fetch ${packages.join(", ")}: ${firstComplaint([updateFailure, error])}`);
  });
  for (const file of await readdir(join(apt, "debs"))) {
    await runTool({ command: "dpkg", args: ["-x", join(apt, "debs", file), join(folder, "root")] });
  }
}

async function readAptFiles(folder: string): Promise<AptFile[]> {
  const parts = join(folder, "sources.list.d");
  const names = (await readdir(parts).catch(() => [])).filter((name) => /\.(list|sources)$/.test(name)).sort();
  const paths = [join(folder, "sources.list"), ...names.map((name) => join(parts, name))];
  return Promise.all(paths.map(async (name) => ({ name, text: await readFile(name, "utf8").catch(() => "") })));
}

function aptSettings(apt: string): string[] {
  return [
    `Dir::State::lists=${apt}/lists`,
    `Dir::State::status=${apt}/status`,
    `Dir::Cache=${apt}/cache`,
    "Dir::Etc::sourcelist=/dev/null",
    `Dir::Etc::sourceparts=${apt}/sources`,
    // Otherwise apt drops to a user who may not enter our folder.
    "APT::Sandbox::User=",
    "Acquire::Languages=none",
    "Acquire::Retries=2",
  ].flatMap((setting) => ["-o", setting]);
}

function firstComplaint(errors: readonly unknown[]): string {
  const lines = errors.flatMap((error) => (error instanceof ToolFailedError ? error.output.split("\n") : []));
  return (lines.find((line) => /^[EW]: /.test(line)) ?? String(errors.at(-1))).trim();
}
