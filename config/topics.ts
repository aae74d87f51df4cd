import { z } from "zod";
import type { SettingType } from "./setting-types.ts";

/** One topic that change events are read from. */
export interface TopicSetting {
  readonly name: string;
  /** How its records are written. */
  readonly format: "json";
  /** Template of a document id from fields of the event, such as `{type}:{id}`; absent: the event's id as it is. */
  readonly id?: string;
  /** Whether its events may invalidate a namespace or everything. */
  readonly wide: boolean;
}

/** Shorter than Kafka allows, so that there is room for the dead-letter topic `<name>.dlq`, which itself is not read from. */
const topicName = z
  .string()
  .regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,245}$/)
  .refine((name) => !name.endsWith(".dlq"));

/** One topic, written out. */
export const topic = z
  .strictObject({
    name: topicName,
    format: z.literal("json").default("json"),
    id: z
      .string()
      .regex(/^(?:[^{}]|\{(?:type|id)\})+$/)
      .refine((template) => template.includes("{id}"))
      .optional(),
    wide: z.boolean().default(false),
  })
  .transform(
    ({ name, format, id, wide }): TopicSetting =>
      Object.freeze({ name, format, wide, ...(id === undefined ? {} : { id }) }),
  );

const names = z.string().transform((text, context): unknown[] => {
  if (!text.trimStart().startsWith("["))
    return text.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()]));
  try {
    return JSON.parse(text) as unknown[];
  } catch {
    context.addIssue({ code: "custom", message: "not JSON" });
    return z.NEVER;
  }
});

/** In text names separated by commas, or a JSON list; in YAML a list of names and of `{name, format, id?, wide?}`. */
export const topics: SettingType<readonly [TopicSetting, ...TopicSetting[]]> = {
  expected:
    'topic names (none that ends in .dlq), or a list of {name, format: "json", id?: "{type}:{id}", wide?: true or false}, each name once',
  schema: z
    .union([names, z.array(z.unknown())])
    .transform((items) => items.map((item) => (typeof item === "string" ? { name: item } : item)))
    .pipe(z.array(topic).nonempty())
    .refine((items) => new Set(items.map(({ name }) => name)).size === items.length)
    .transform((items) => Object.freeze(items) as readonly [TopicSetting, ...TopicSetting[]]),
};
