/** Settings: one table, read once, checked as a whole, frozen. Knows no other room. */

export type { Origin, ReadFile, SettingsFile } from "./given.ts";
export { configurationSchema } from "./json-schema.ts";
export { type Loaded, type LoadInput, loadConfig } from "./load.ts";
export { configurationPage } from "./page.ts";
export { describeProblems, type Problem } from "./problem.ts";
export { Secret } from "./secret.ts";
export { type Config, type SettingKey, settings } from "./settings.ts";
export { type ShownSetting, showConfig } from "./shown.ts";
export type { OnGap, TopicSetting } from "./topics.ts";
