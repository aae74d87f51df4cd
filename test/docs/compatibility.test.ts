import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

interface Licences {
  licences(): ReadonlyMap<string, readonly string[]>;
  licenceRows(): readonly string[];
}

const root = join(import.meta.dirname, "../..");
const { licences, licenceRows }: Licences = await import(join(root, ".ci/licences.mjs"));
const page = readFileSync(join(root, "docs/compatibility.md"), "utf8");

/** Those that let anybody use and pass on what they cover, under any licence of their own, if the notice stays with it. */
const permissive = ["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"];

test("what ships has permissive licences only", () => {
  expect([...licences().keys()].filter((licence) => !permissive.includes(licence))).toEqual([]);
});

test("docs/compatibility.md lists the licence of everything that ships (node .ci/compatibility.mjs)", () => {
  const table = /<!-- licences -->\n.*\n.*\n((?:.*\n)*?)<!-- end -->/.exec(page)?.[1];
  expect(table?.trimEnd().split("\n")).toEqual(licenceRows());
});
