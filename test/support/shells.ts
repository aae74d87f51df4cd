// zsh and fish for the tests of our completions: from PATH, or else Debian's packages in the cache folder.
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { fromDebian, noDebian } from "../../dev/services/debian-tools.ts";
import { fromPath, runTool } from "../../dev/services/run-tool.ts";

const run = promisify(execFile);

export interface Shell {
  readonly program: string;
  /** Where the packages were unpacked; "" for a shell that is installed. */
  readonly unpacked: string;
}

const packages = {
  zsh: { packages: ["zsh", "zsh-common"], programs: ["bin/zsh"] },
  fish: { packages: ["fish", "fish-common", "libpcre2-32-0"], programs: ["usr/bin/fish"] },
} as const;

/** `undefined` where there is none, which is said loudly; in CI that is an error. */
export async function findShell(name: "zsh" | "fish"): Promise<Shell | undefined> {
  const program = fromPath(name, process.env);
  if (program !== undefined) return { program, unpacked: "" };
  try {
    const obstacle = noDebian(process.env);
    if (obstacle !== undefined) throw new Error(obstacle);
    const check = (bin: string) => runTool({ command: join(bin, name), args: ["--version"] });
    const folder = await fromDebian({ title: name, name, check, ...packages[name] }, process.env, () => undefined);
    return { program: join(folder, "bin", name), unpacked: join(folder, "root") };
  } catch (error) {
    const reason = `no ${name} in PATH, and ${error instanceof Error ? error.message : String(error)}`;
    if (process.env.CI === "true") throw new Error(`CI=true allows no skipped tests: ${reason}.`, { cause: error });
    console.warn(`SKIPPED completion in ${name}: ${reason}.`);
    return undefined;
  }
}

/** What comes of the beginning of a line when its completion is asked for. */
export type Complete = (line: string) => Promise<string>;

/** A real zsh on a terminal of its own, in which Tab is pressed: the whole line as it is afterwards. */
export async function zshTab({ program, unpacked }: Shell, script: string, folder: string): Promise<Complete> {
  const files = {
    // Before anything else: where the unpacked shell finds its own parts.
    ".zshenv": `[[ -d $UNPACKED ]] && {
      module_path=($UNPACKED/usr/lib/*/zsh/<->.<->(N) $module_path)
      fpath=($UNPACKED/usr/share/zsh/functions/**/*(/N) $fpath)
    }`,
    ".zshrc": `PROMPT= RPS1=
      autoload -U compinit && compinit -D -u
      source $ZDOTDIR/completion.zsh
      show() { print -r -- "<<$BUFFER>>" }
      zle -N show
      bindkey '^X' show
      bindkey '^I' complete-word`,
    "completion.zsh": script,
    "press.zsh": `zmodload zsh/zpty
      zpty inner ${program} -d -i
      zpty -w -n inner "$1"$'\\t\\C-x'
      zpty -r inner seen '*<<*>>*'
      print -r -- \${\${seen##*<<}%%>>*}
      zpty -d inner`,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), `${text}\n`);
  const env = { ...process.env, ZDOTDIR: folder, UNPACKED: unpacked, TERM: "dumb" };
  return async (line) => (await run(program, ["-d", join(folder, "press.zsh"), line], { env })).stdout.trim();
}

/** fish's own engine, asked as Tab asks it: the candidates without their descriptions. */
export async function fishTab({ program, unpacked }: Shell, script: string, folder: string): Promise<Complete> {
  const file = join(folder, "completion.fish");
  await writeFile(file, script);
  const functions = unpacked === "" ? "" : `set fish_function_path ${unpacked}/usr/share/fish/functions;`;
  const ask = `${functions} source ${file}; complete -C $argv[1]`;
  return async (line) => {
    const { stdout } = await run(program, ["--no-config", "--command", ask, line]);
    return stdout
      .trim()
      .split("\n")
      .map((candidate) => candidate.split("\t")[0])
      .join(" ");
  };
}
