import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";

const root = new URL("../../", import.meta.url);

test("docs/events.md explains each reason of a dead letter, and none that is not there", () => {
  const source = readFileSync(new URL("consumers/change-event.ts", root), "utf8");
  const union = /export type DecodeFailure =[^;]+;/.exec(source)?.[0] ?? "";
  const reasons = [...union.matchAll(/"([a-z-]+)"/g)].map(([, reason]) => reason);
  const page = readFileSync(new URL("docs/events.md", root), "utf8");
  const table = page.slice(page.indexOf("| reason |"), page.indexOf("## When to send one"));
  const explained = [...table.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, reason]) => reason);
  expect(reasons.length).toBeGreaterThan(0);
  expect([...explained].sort()).toEqual([...reasons].sort());
});
