import type { Origin } from "./given.ts";
import { Secret } from "./secret.ts";
import { type Config, type SettingKey, settings } from "./settings.ts";

export interface ShownSetting {
  readonly name: string;
  readonly env: string;
  /** Plain data, as it could be set; secrets redacted; absent where nothing is set. */
  readonly value?: unknown;
  readonly origin: Origin;
}

/** The effective settings as they may be printed and logged, in the order of the table. */
export function showConfig(config: Config, origins: Readonly<Record<SettingKey, Origin>>): readonly ShownSetting[] {
  return (Object.keys(settings) as SettingKey[]).map((key) => {
    const value = config[key];
    // Of the same row, so it fits.
    const show = settings[key].type.show as ((value: unknown) => unknown) | undefined;
    const shown =
      value instanceof Secret ? value.toString() : value === undefined ? undefined : (show?.(value) ?? value);
    return {
      name: settings[key].path,
      env: settings[key].env,
      ...(shown === undefined ? {} : { value: shown }),
      origin: origins[key],
    };
  });
}
