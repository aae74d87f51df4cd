import { parseDocument } from "yaml";
import { closest } from "./closest.ts";
import { type Problem, quoted } from "./problem.ts";
import { type Setting, type SettingKey, settings } from "./settings.ts";

export type Origin = "flag" | "environment" | "file" | "default";

/** What somebody wrote for one setting, before it is understood. */
export interface Given {
  readonly origin: Origin;
  /** As a {@link Problem} names it. */
  readonly name: string;
  readonly value: unknown;
}

/** What one place gives, and what is wrong there whatever the values are. */
export interface Gathered {
  readonly given: ReadonlyMap<SettingKey, Given>;
  readonly problems: readonly Problem[];
}

/** Reads a whole file as UTF-8; throws when it cannot. */
export type ReadFile = (path: string) => string;

export interface SettingsFile {
  readonly path: string;
  readonly text: string;
}

const rows = Object.entries(settings) as readonly (readonly [SettingKey, Setting<unknown>])[];
const envPrefix = "UNSTALE_";
/**
 * Of the project's own tests and demo, which set them for everything they start; and of Kubernetes, which tells every
 * container of a service called "unstale".
 */
const notSettings = /^UNSTALE_(TEST_|CACHE_DIR$|(.+_)?(SERVICE_(HOST|PORT)|PORT$|PORT_\d+_(TCP|UDP|SCTP)))/;

/** An empty variable counts as absent, as `${NAME:-}` in a compose file makes it. */
export function fromEnvironment(env: Readonly<Record<string, string | undefined>>, readFile: ReadFile): Gathered {
  const names = new Map(
    rows.flatMap(([key, row]) => spellings(row.env, row, "_FILE").map((name) => [name, key] as const)),
  );
  const isOurs = (name: string): boolean => names.has(name) || (name.startsWith(envPrefix) && !notSettings.test(name));
  const written = Object.entries(env).filter(([name, value]) => isOurs(name) && value !== undefined && value !== "");
  return gather(written, { origin: "environment", names, suffix: "_FILE", readFile, say: (name) => name });
}

/** `flags`: values by setting path or environment variable, as `--set` takes them. */
export function fromFlags(flags: Readonly<Record<string, string>>, readFile: ReadFile): Gathered {
  const names = new Map(
    rows.flatMap(([key, row]) => [
      ...spellings(row.path, row, "File").map((name) => [name, key] as const),
      [row.env, key] as const,
    ]),
  );
  return gather(Object.entries(flags), {
    origin: "flag",
    names,
    suffix: "File",
    readFile,
    say: (name) => `--set ${name}`,
  });
}

export function fromFile(file: SettingsFile, readFile: ReadFile): Gathered {
  const document = parseDocument(file.text);
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => fileProblem(file, "YAML", error.message.split("\n")[0] ?? ""));
    return { given: new Map(), problems };
  }
  const tree: unknown = document.toJS() ?? {};
  if (!isMapping(tree)) {
    return { given: new Map(), problems: [fileProblem(file, "a mapping of settings", quoted(tree))] };
  }
  const names = new Map(
    rows.flatMap(([key, row]) => spellings(row.path, row, "File").map((name) => [name, key] as const)),
  );
  const groups = new Set([...names.keys()].flatMap((path) => ancestors(path)));
  const written = leaves(tree, groups).filter(([, value]) => value !== null);
  return gather(written, { origin: "file", names, suffix: "File", readFile, say: (path) => `${path} in ${file.path}` });
}

interface Place {
  readonly origin: Origin;
  /** Every name that may be used there. */
  readonly names: ReadonlyMap<string, SettingKey>;
  /** Ends the names whose value is the path of a file. */
  readonly suffix: string;
  readonly readFile: ReadFile;
  say(name: string): string;
}

function gather(written: readonly (readonly [string, unknown])[], place: Place): Gathered {
  const given = new Map<SettingKey, Given>();
  const problems: Problem[] = [];
  for (const [name, value] of written) {
    const key = place.names.get(name);
    const outcome =
      key === undefined ? unknownName(name, place) : understand({ key, name, value }, given.get(key), place);
    if ("todo" in outcome) problems.push(outcome);
    // A setting that has a problem counts as given, so that its default does not hide it.
    if (key !== undefined && !given.has(key)) {
      given.set(key, "todo" in outcome ? { origin: place.origin, name: place.say(name), value: unreadable } : outcome);
    }
  }
  return { given, problems };
}

interface Written {
  readonly key: SettingKey;
  readonly name: string;
  readonly value: unknown;
}

function understand({ key, name, value }: Written, earlier: Given | undefined, place: Place): Given | Problem {
  const said = place.say(name);
  if (earlier) return twice(earlier.name, said);
  const isFileName = name !== settings[key].env && name !== settings[key].path && name.endsWith(place.suffix);
  if (!isFileName) return { origin: place.origin, name: said, value };
  try {
    return { origin: place.origin, name: said, value: place.readFile(String(value)) };
  } catch (error) {
    return {
      name: said,
      expected: "the path of a file that can be read",
      got: `${quoted(value)}, ${error instanceof Error ? error.message : String(error)}`,
      todo: "Correct the path, or let this user read the file.",
    };
  }
}

/** Stands for a value that could not be had, which is a problem already. */
export const unreadable = Symbol("unreadable");

function unknownName(name: string, { names, say }: Place): Problem {
  const inside = [...names.keys()].filter((known) => known.startsWith(`${name}.`));
  const guess = closest(name, names.keys());
  const found = inside.length > 0 ? { got: "a value", todo: `Write what is meant: ${inside.join(", ")}.` } : undefined;
  return {
    name: say(name),
    expected: found ? "a group of settings" : "the name of a setting (docs/configuration.md lists them)",
    got: found?.got ?? "a name that no setting has",
    todo: found?.todo ?? (guess === undefined ? "Remove it." : `Did you mean ${guess}?`),
  };
}

function twice(first: string, second: string): Problem {
  return {
    name: second,
    expected: "one value for a setting",
    got: `${first} as well`,
    todo: `Remove ${first} or ${second}.`,
  };
}

function fileProblem(file: SettingsFile, expected: string, got: string): Problem {
  return { name: file.path, expected, got, todo: "Correct the file; docs/configuration.md shows an example." };
}

function spellings(name: string, { fromFile: allowed }: Setting<unknown>, suffix: string): string[] {
  return allowed ? [name, `${name}${suffix}`] : [name];
}

/** `a.b.c` → `["a", "a.b"]`. */
function ancestors(path: string): string[] {
  const parts = path.split(".");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("."));
}

/** Paths and values of a tree, down to what is no group of settings. */
function leaves(tree: Readonly<Record<string, unknown>>, groups: ReadonlySet<string>, above = ""): [string, unknown][] {
  return Object.entries(tree).flatMap(([key, value]): [string, unknown][] => {
    const path = above + key;
    return groups.has(path) && isMapping(value) ? leaves(value, groups, `${path}.`) : [[path, value]];
  });
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
