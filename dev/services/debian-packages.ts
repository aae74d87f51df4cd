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

  // `update` warns without failing when nothing can be reached, and fails when only the backports are missing, where the
  // download may succeed all the same. So the download has the last word, and `update` the better explanation.
  onStep("reading Debian's package lists");
  const update = await outputOf(runTool({ command: "apt-get", args: [...settings, "update"] }));
  onStep(`downloading ${packages.join(", ")}`);
  const args = [...settings, "download", ...packages];
  await runTool({ command: "apt-get", args, cwd: join(apt, "debs") }).catch(async (error: unknown) => {
    const reason = firstComplaint(`${update}\n${await outputOf(Promise.reject(error))}`);
    throw new Error(`apt-get could not fetch ${packages.join(", ")}: ${reason}`);
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

function outputOf(run: Promise<string>): Promise<string> {
  return run.catch((error: unknown) => (error instanceof ToolFailedError ? error.output : String(error)));
}

function firstComplaint(output: string): string {
  const complaint = /^[EW]: *(.*)$/m.exec(output)?.[1] ?? output.trim().split("\n").at(-1) ?? "";
  return complaint.trim();
}
