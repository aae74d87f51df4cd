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
  /** Namespaces that hold every entry which its events can make stale; absent: any entry. */
  readonly feeds?: readonly [string, ...string[]];
  /** What to do when events were lost in the log before the worker saw them. */
  readonly onGap: OnGap;
}

/** `invalidate`: what the topic feeds, everything where that is not said. `alert-only`: nothing but a log line and a metric. */
export const onGapChoices = ["invalidate", "alert-only"] as const;
export type OnGap = (typeof onGapChoices)[number];

/** Shorter than Kafka allows, so that there is room for the dead-letter topic `<name>.dlq`, which itself is not read from. */
const topicName = z
  .string()
  .regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,245}$/)
  .refine((name) => !name.endsWith(".dlq"));

/** Levels joined by colons. The library refuses a few more, which the worker finds at its start. */
const namespace = z.string().regex(/^[^\s:*?[\]{}\\]+(?::[^\s:*?[\]{}\\]+)*$/);

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
    feeds: z.array(namespace).nonempty().optional(),
    onGap: z.enum(onGapChoices).default("invalidate"),
  })
  .transform(
    ({ name, format, id, wide, feeds, onGap }): TopicSetting =>
      Object.freeze({
        name,
        format,
        wide,
        onGap,
        ...(id === undefined ? {} : { id }),
        ...(feeds === undefined ? {} : { feeds: Object.freeze(feeds) as readonly [string, ...string[]] }),
      }),
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

/** In text names separated by commas, or a JSON list; in YAML a list of names and of mappings. */
export const topics: SettingType<readonly [TopicSetting, ...TopicSetting[]]> = {
  expected:
    'topic names (none that ends in .dlq), or a list of {name, format: "json", id?: "{type}:{id}", wide?: true or false, feeds?: ["docs:technical"], onGap?: "invalidate" or "alert-only"}, each name once',
  schema: z
    .union([names, z.array(z.unknown())])
    .transform((items) => items.map((item) => (typeof item === "string" ? { name: item } : item)))
    .pipe(z.array(topic).nonempty())
    .refine((items) => new Set(items.map(({ name }) => name)).size === items.length)
    .transform((items) => Object.freeze(items) as readonly [TopicSetting, ...TopicSetting[]]),
};
