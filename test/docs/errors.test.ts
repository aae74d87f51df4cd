import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { cacheErrors } from "@unstale/cache-core";
import { consumerErrors } from "../../consumers/index.ts";
import { errorsPage } from "../../dev/errors-page.ts";
import { workerErrors } from "../../worker/errors.ts";

const codes = [cacheErrors, consumerErrors, workerErrors].flatMap((table) => Object.keys(table));
const root = new URL("../../", import.meta.url);

test("docs/errors.md is what the tables of codes say (npm run docs)", () => {
  expect(readFileSync(new URL("docs/errors.md", root), "utf8")).toBe(errorsPage());
});

test("each code stands in one table, and is thrown somewhere", () => {
  expect(new Set(codes).size).toBe(codes.length);
  const sources = ["cache-core", "consumers", "worker", "worker/commands", "consumers/decoders"]
    .flatMap((room) => readdirSync(new URL(room, root)).map((file) => `${room}/${file}`))
    .filter((file) => file.endsWith(".ts") && !file.endsWith("/errors.ts"))
    .map((file) => readFileSync(new URL(file, root), "utf8"))
    .join("\n");
  expect(codes.filter((code) => !sources.includes(code))).toEqual([]);
});

test("each reason of a refusal is explained", () => {
  const declared = ["store.ts", "writer.ts"].map((file) => readFileSync(new URL(`cache-core/${file}`, root), "utf8"));
  const unions = declared.join("\n").match(/export type (RefusalReason|SetRefusal) =[^;]+;/g) ?? [];
  const reasons = unions.flatMap((union) => [...union.matchAll(/"([a-z-]+)"/g)].map(([, reason]) => reason));
  expect(reasons).toHaveLength(9);
  for (const reason of reasons) expect(errorsPage()).toContain(`| \`${reason}\` |`);
});
