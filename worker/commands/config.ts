import { showConfig } from "../../config/index.ts";
import type { Surroundings } from "../surroundings.ts";
import { type CommonOptions, loadSettings } from "./settings.ts";

/** Prints the settings in force. */
export function config(surroundings: Surroundings, options: CommonOptions): number {
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
