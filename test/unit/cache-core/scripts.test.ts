import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";

const folder = new URL("../../../cache-core/scripts/", import.meta.url);
const scripts = readdirSync(folder).filter((file) => file.endsWith(".lua"));
const sourceOf = (file: string): string => readFileSync(new URL(file, folder), "utf8");

describe("the scripts", () => {
  test("in embedded.ts are those of the .lua files: else run `npm run build`", async () => {
    // A script of the build, without types.
    const { embedded } = (await import(new URL("embed.mjs", folder).href)) as { embedded: () => string };
    expect(sourceOf("embedded.ts")).toBe(embedded());
  });

  test("carry no comment and no include into the embedded text", () => {
    expect(sourceOf("embedded.ts")).not.toMatch(/\\n\s*--/);
  });

  const steps = scripts.filter((file) => sourceOf(file).startsWith("#!lua"));

  test.each(steps)("%s tells its keys, arguments, replies and why it is atomic", (file) => {
    for (const heading of ["-- KEYS ", "-- ARGV ", "-- Returns ", "-- Atomic because: "]) {
      expect(sourceOf(file)).toContain(`\n${heading}`);
    }
  });

  test.each(["invalidate", "drain", "heartbeat", "confirm", "attach", "open"])(
    "%s.lua may run when memory is full (H17)",
    (name) => {
      expect(sourceOf(`${name}.lua`)).toMatch(/^#!lua flags=allow-oom\n/);
    },
  );

  test("read.lua writes nothing, and says so", () => {
    expect(sourceOf("read.lua")).toMatch(/^#!lua flags=no-writes\n/);
  });

  test.each(scripts)("%s makes no text of a number with `..` (it would print 14 digits)", (file) => {
    expect(sourceOf(file)).not.toMatch(/\.\. *(stamp|clock|nonce|floor|replid)\b|tostring\(/);
  });
});
