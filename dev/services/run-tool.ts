import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export interface ToolRun {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly onLine?: (line: string) => void;
}

/** Runs a tool to its end; its output is returned, and told in the error when it fails. */
export function runTool({ command, args, cwd, onLine = () => {} }: ToolRun): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
      ...(cwd === undefined ? {} : { cwd }),
    });
    let output = "";
    let rest = "";
    const take = (text: string) => {
      output += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    };
    child.stdout.setEncoding("utf8").on("data", take);
    child.stderr.setEncoding("utf8").on("data", take);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new ToolFailedError({ command, ended: signal ?? `exit code ${code}`, output }));
    });
  });
}

export class ToolFailedError extends Error {
  override readonly name = "ToolFailedError";
  readonly output: string;
  constructor({ command, ended, output }: { command: string; ended: string; output: string }) {
    super(`${command} ended with ${ended}: ${output.trimEnd().split("\n").slice(-5).join("\n")}`);
    this.output = output;
  }
}

/** The file a shell would run for this name. */
export function fromPath(name: string, env: NodeJS.ProcessEnv): string | undefined {
  for (const folder of (env.PATH ?? "").split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}
