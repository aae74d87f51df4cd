import { z } from "zod";
import { type Setting, type SettingKey, settings } from "./settings.ts";
import { topic } from "./topics.ts";

type Schema = z.core.JSONSchema.BaseSchema;

type Group = Schema & { readonly properties: Record<string, Schema> };

/** A JSON Schema of unstale.yaml, for editors: names, types, defaults and what each setting is for. */
export function configurationSchema(): Schema {
  const root = group();
  for (const [key, row] of Object.entries(settings) as [SettingKey, Setting<unknown>][]) {
    const steps = row.path.split(".");
    const name = steps.pop() ?? row.path;
    const { properties } = steps.reduce(enter, root);
    properties[name] = {
      description: `${row.doc} Expected: ${row.type.expected}.`,
      ...(key === "kafkaTopics" ? topicsSchema() : valueSchema(row)),
      // A default that stands for several values is said in the form of one text.
      ...(row.default === undefined ? {} : { default: row.default as Schema["default"] }),
    };
    if (row.fromFile) {
      properties[`${name}File`] = { type: "string", description: `A file that holds ${row.path}.` };
    }
  }
  return { $schema: "https://json-schema.org/draft/2020-12/schema", title: "Settings of unstale", ...root };
}

function group(): Group {
  return { type: "object", additionalProperties: false, properties: {} };
}

function enter({ properties }: Group, step: string): Group {
  properties[step] ??= group();
  return properties[step] as Group;
}

/** What may be written. Words are checked after they are tidied, so that they stand in the schema of the result only. */
function valueSchema({ type }: Setting<unknown>): Schema {
  const result = jsonSchema(type.schema, "output");
  return Array.isArray(result.enum) ? result : jsonSchema(type.schema, "input");
}

function topicsSchema(): Schema {
  const name = jsonSchema(z.string().min(1), "input");
  return { anyOf: [name, { type: "array", minItems: 1, items: { anyOf: [name, jsonSchema(topic, "input")] } }] };
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): Schema {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}
