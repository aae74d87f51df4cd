import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { z } from "zod";
import { configurationSchema } from "../../config/index.ts";
import { loadConfig } from "../../config/load.ts";

const folder = new URL("../../config/", import.meta.url);
const text = readFileSync(new URL("unstale.example.yaml", folder), "utf8");

/** As an editor does it that follows the hint in the file's first line. */
function editor(): z.ZodType {
  const [, path = ""] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text) ?? [];
  return z.fromJSONSchema(JSON.parse(readFileSync(new URL(path, folder), "utf8")));
}

describe("config/unstale.example.yaml", () => {
  test("loads, and says what it says", () => {
    const file = { path: "unstale.yaml", text };
    const loaded = loadConfig({ env: {}, file, readFile: (path) => `content of ${path}` });
    expect(loaded).toMatchObject({
      kind: "config",
      config: {
        kafkaBrokers: ["kafka-1:9092", "kafka-2:9092"],
        kafkaTopics: [{ name: "cms.documents" }, { name: "cms.bulk", wide: true, feeds: ["docs", "faqs:billing"] }],
        foreignWriters: false,
        httpHost: "0.0.0.0",
      },
    });
  });

  test("is what its schema allows", () => {
    expect(editor().safeParse(parse(text)).error?.issues).toBeUndefined();
  });

  test.each([
    ["a name that no setting has", "kafka:\n  broker: [kafka-1:9092]"],
    ["a word that is none of a setting's", "log:\n  level: loud"],
    ["a list where a number belongs", "http:\n  port: [8085]"],
    ["an option that no topic has", "kafka:\n  topics: [{ name: a, widely: true }]"],
  ])("has a schema that marks %s", (_, wrong) => {
    expect(editor().safeParse(parse(wrong)).success).toBe(false);
  });
});

test("config/unstale.schema.json is what the table of settings says (npm run docs)", () => {
  const schema = readFileSync(new URL("unstale.schema.json", folder), "utf8");
  expect(schema).toBe(`${JSON.stringify(configurationSchema(), undefined, 2)}\n`);
});
