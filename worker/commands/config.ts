import { configurationSchema, showConfig } from "../../config/index.ts";
import type { Surroundings } from "../surroundings.ts";
import { type CommonOptions, loadSettings } from "./settings.ts";

/** Prints the settings in force, or what unstale.yaml may hold. */
export function config(surroundings: Surroundings, options: CommonOptions & { readonly schema?: true }): number {
  if (options.schema) {
    surroundings.print(`${JSON.stringify(configurationSchema(), undefined, 2)}\n`);
    return 0;
  }
  const { config: values, origins } = loadSettings(surroundings, options);
  const shown = showConfig(values, origins);
  if (options.json) {
    surroundings.print(`${JSON.stringify({ settings: shown }, undefined, 2)}\n`);
    return 0;
  }
  const width = Math.max(...shown.map(({ name }) => name.length));
  for (const { name, value, origin } of shown) {
    const text = value === undefined ? "(not set)" : typeof value === "string" ? value : JSON.stringify(value);
    surroundings.print(`${name.padEnd(width)}  ${text}${origin === "default" ? "" : `  (${origin})`}\n`);
  }
  return 0;
}
