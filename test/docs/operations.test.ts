import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { withBehaviour } from "../../dev/behaviour-tables.ts";
import { renewed } from "../../dev/chaos/report.ts";
import { rows } from "../../dev/chaos/rows/index.ts";

const page = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");

test("docs/operations.md has a line for each fault, in the words of its row: npm run docs", () => {
  expect(page).toBe(renewed(page, rows, []));
});

test("docs/operations.md has the tables that the worker runs by: npm run docs", () => {
  expect(page).toBe(withBehaviour(page));
});

test("every fault has a name of its own", () => {
  const names = rows.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
