import type { Origin } from "./given.ts";
import { Secret } from "./secret.ts";
import { type Config, type SettingKey, settings } from "./settings.ts";

export interface ShownSetting {
  readonly name: string;
  readonly env: string;
  /** Plain data; secrets redacted, durations in milliseconds; absent where nothing is set. */
  readonly value?: unknown;
  readonly origin: Origin;
}

/** The effective settings as they may be printed and logged, in the order of the table. */
export function showConfig(config: Config, origins: Readonly<Record<SettingKey, Origin>>): readonly ShownSetting[] {
  return (Object.keys(settings) as SettingKey[]).map((key) => {
    const value = config[key];
    const shown = value instanceof Secret ? value.toString() : value;
    return {
      name: settings[key].path,
      env: settings[key].env,
      ...(shown === undefined ? {} : { value: shown }),
      origin: origins[key],
    };
  });
}
