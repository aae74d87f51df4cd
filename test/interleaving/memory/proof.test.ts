import { readFile } from "node:fs/promises";
import { expect, test } from "@jest/globals";
import { mutants } from "../../../dev/explore/mutants/index.ts";

test("docs/guarantees.md names every planted mistake, and no other", async () => {
  const text = await readFile(new URL("../../../docs/guarantees.md", import.meta.url), "utf8");
  const proof = text.slice(text.indexOf("| mistake |"));
  const named = [...proof.matchAll(/^\| ([^|]+?) \|/gm)].map(([, name]) => name ?? "");
  const mistakes = named.filter((name) => name !== "mistake" && name !== "---");
  expect(mistakes.toSorted()).toEqual(mutants.map(({ name }) => name).toSorted());
});
