import { type Config, describeProblems, type Loaded, loadConfig, type Problem } from "../../config/index.ts";
import { reasonOf, workerError } from "../errors.ts";
import type { Surroundings } from "../surroundings.ts";

/** Options that every command takes. */
export interface CommonOptions {
  readonly config?: string;
  readonly set: readonly string[];
  readonly json?: true;
}

export type LoadedConfig = Extract<Loaded, { kind: "config" }>;

/**
 * The settings in force for a command; `flags` are those that it has options of its own for.
 * @throws UnstaleError `UNSTALE_SETTINGS` with all problems
 */
export function loadSettings(
  { env, readFile }: Pick<Surroundings, "env" | "readFile">,
  { config: path, set }: CommonOptions,
  flags: Readonly<Record<string, string>> = {},
): LoadedConfig {
  const problems: Problem[] = [];
  const given: Record<string, string> = { ...flags };
  for (const assignment of set) {
    const at = assignment.indexOf("=");
    if (at > 0) given[assignment.slice(0, at)] = assignment.slice(at + 1);
    else problems.push(notAnAssignment(assignment));
  }
  const text = path === undefined ? undefined : readSettings(path, readFile, problems);
  const file = path === undefined || text === undefined ? undefined : { path, text };
  const loaded = loadConfig({ env, file, flags: given, readFile });
  if (loaded.kind === "problems") problems.push(...loaded.problems);
  if (loaded.kind === "config" && problems.length === 0) return loaded;
  const count = problems.length === 1 ? "one setting is wrong" : `${problems.length} settings are wrong`;
  throw workerError("UNSTALE_SETTINGS", `${count}\n\n${describeProblems(problems)}`, { details: { problems } });
}

export function configOf(...args: Parameters<typeof loadSettings>): Config {
  return loadSettings(...args).config;
}

function readSettings(path: string, readFile: (path: string) => string, problems: Problem[]): string | undefined {
  try {
    return readFile(path);
  } catch (error) {
    problems.push({
      name: "--config",
      expected: "a file that can be read",
      got: reasonOf(error),
      todo: "Correct the path, or let this user read the file.",
    });
    return undefined;
  }
}

function notAnAssignment(text: string): Problem {
  return {
    name: "--set",
    expected: "name=value, such as http.port=8085",
    got: JSON.stringify(text),
    todo: "Write the name of the setting, an equals sign, and its value.",
  };
}
