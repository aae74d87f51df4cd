import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";

const root = new URL("../../", import.meta.url);
const page = readFileSync(new URL("docs/guarantees.md", root), "utf8");
const architecture = readFileSync(new URL("ARCHITECTURE.md", root), "utf8");

const numbered = (text: string): string[] => [...text.matchAll(/^\| (I\d) \|/gm)].map(([, number]) => number ?? "");

test("every invariant is promised, and names a test that exists", () => {
  const invariants = numbered(architecture);
  expect(invariants).toHaveLength(9);
  const named = [...page.matchAll(/^\| (I\d) \| `(test\/[^`]+)` \*(.+)\* \|$/gm)];
  expect(named.map(([, number]) => number)).toEqual(invariants);
  expect(numbered(page)).toEqual([...invariants, ...invariants]);
  for (const [, , file = "", name] of named) {
    expect(readFileSync(new URL(file, root), "utf8")).toContain(`test("${name}"`);
  }
});

test("every other promise names a test that exists, too", () => {
  const named = [...page.matchAll(/^\| `(\w+)` \| `(test\/[^`]+)` \*(.+)\* \|$/gm)];
  expect(named.map(([, promise]) => promise)).toEqual(["after", "maxStaleness"]);
  for (const [, , file = "", name] of named) {
    expect(readFileSync(new URL(file, root), "utf8")).toContain(`test("${name}"`);
  }
});
