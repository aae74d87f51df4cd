import {
  fromEnvironment,
  fromFile,
  fromFlags,
  type Given,
  type Origin,
  type ReadFile,
  type SettingsFile,
  unreadable,
} from "./given.ts";
import { type Problem, quoted } from "./problem.ts";
import { relationProblems } from "./relations.ts";
import { type Config, type Setting, type SettingKey, settings } from "./settings.ts";

export interface LoadInput {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file?: SettingsFile | undefined;
  /** By setting path or environment variable. */
  readonly flags?: Readonly<Record<string, string>> | undefined;
  /** For settings that are given as the name of a file. */
  readonly readFile: ReadFile;
}

export type Loaded =
  | {
      readonly kind: "config";
      readonly config: Config;
      /** Where each value comes from. */
      readonly origins: Readonly<Record<SettingKey, Origin>>;
    }
  /** At least one; all that could be found. */
  | { readonly kind: "problems"; readonly problems: readonly Problem[] };

/**
 * From what was written to the effective settings: flags win over the environment, that over the file, that over the
 * defaults. Finds every problem at once. Pure but for `readFile`.
 */
export function loadConfig({ env, file, flags = {}, readFile }: LoadInput): Loaded {
  const places = [
    fromFlags(flags, readFile),
    fromEnvironment(env, readFile),
    ...(file === undefined ? [] : [fromFile(file, readFile)]),
  ];
  const problems: Problem[] = places.flatMap((place) => place.problems);
  const values: Partial<Record<SettingKey, unknown>> = {};
  const origins: Partial<Record<SettingKey, Origin>> = {};

  for (const key of Object.keys(settings) as SettingKey[]) {
    const given = places.map((place) => place.given.get(key)).find((found) => found !== undefined);
    origins[key] = given?.origin ?? "default";
    const outcome = parse(settings[key], given);
    if (outcome.kind === "value") values[key] = outcome.value;
    else if (outcome.kind === "problem") problems.push(outcome.problem);
  }

  // Complete where every key was understood; relations look at nothing else.
  const config = Object.freeze(values) as Config;
  problems.push(...relationProblems(config, new Set(Object.keys(values) as SettingKey[])));
  if (problems.length > 0) return { kind: "problems", problems };
  return { kind: "config", config, origins: Object.freeze(origins) as Record<SettingKey, Origin> };
}

type Parsed =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "problem"; readonly problem: Problem }
  | { readonly kind: "reported" };

function parse(row: Setting<unknown>, given: Given | undefined): Parsed {
  const raw = given === undefined ? row.default : given.value;
  if (raw === undefined) return { kind: "value", value: undefined };
  if (raw === unreadable) return { kind: "reported" };
  const result = row.type.schema.safeParse(raw);
  if (result.success) return { kind: "value", value: result.data };
  return {
    kind: "problem",
    problem: {
      name: given?.name ?? row.env,
      expected: row.type.expected,
      got: row.secret ? "[redacted]" : quoted(raw),
      todo: `Correct it${row.default === undefined ? "" : `, or leave it out for the default ${quoted(row.default)}`}.`,
    },
  };
}
