import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { parse } from "yaml";
import { loadConfig } from "../../config/load.ts";
import { configurationPage } from "../../config/page.ts";
import { type Setting, settings } from "../../config/settings.ts";

const page = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
const rows: readonly Setting<unknown>[] = Object.values(settings);

test("docs/configuration.md is what the table of settings says (npm run docs)", () => {
  expect(page).toBe(configurationPage());
});

test("every setting has its own variable and path, named alike", () => {
  expect(new Set(rows.map(({ env }) => env)).size).toBe(rows.length);
  expect(new Set(rows.map(({ path }) => path)).size).toBe(rows.length);
  for (const { env, path, doc } of rows) {
    expect(env).toMatch(/^UNSTALE(_[A-Z]+)+$/);
    expect(path).toMatch(/^[a-z][A-Za-z]*(\.[a-z][A-Za-z]*)*$/);
    expect(doc).not.toContain("\n");
  }
});

test("the example on the page loads", () => {
  const example = /## unstale.yaml\n\n((?: {4}.*\n|\n)+)/.exec(page)?.[1] ?? "";
  const text = example.replaceAll(/^ {4}/gm, "");
  expect(parse(text)).toHaveProperty("kafka.topics");
  const loaded = loadConfig({ env: {}, file: { path: "unstale.yaml", text }, readFile: () => "secret" });
  expect(loaded).toMatchObject({ kind: "config" });
});
