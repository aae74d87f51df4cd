import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { cached, cacheFolder } from "../../../dev/services/cache-folder.ts";
import { silent } from "../../../dev/services/progress.ts";

// Above any pid the kernel gives out.
const DEAD_PID = 2 ** 30;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "unstale-test-"));
});
afterEach(() => rm(folder, { recursive: true }));

const fill = (path: string) => writeFile(join(path, "file"), "whole");

test("an item is built once, whoever asks at the same time", async () => {
  let builds = 0;
  const waits: string[] = [];
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const get = () =>
    cached({
      folder,
      item: "thing",
      progress: (line) => {
        waits.push(line);
        release();
      },
      build: async (path) => {
        builds++;
        await held;
        await fill(path);
      },
    });
  const paths = await Promise.all([get(), get()]);
  expect(paths).toEqual([join(folder, "thing"), join(folder, "thing")]);
  expect({ builds, waits }).toEqual({ builds: 1, waits: ["waiting for another start to fetch thing"] });
  expect(await readdir(folder)).toEqual(["thing"]);
});

test("a build that fails leaves nothing, and the next one succeeds", async () => {
  const broken = cached({ folder, item: "thing", progress: silent, build: () => Promise.reject(new Error("no net")) });
  await expect(broken).rejects.toThrow("no net");
  expect(await readdir(folder)).toEqual([]);
  const path = await cached({ folder, item: "thing", progress: silent, build: fill });
  expect(await readFile(join(path, "file"), "utf8")).toBe("whole");
});

test("what a killed start left is removed", async () => {
  await writeFile(join(folder, "thing.lock"), String(DEAD_PID));
  await mkdir(join(folder, `thing.partial-${DEAD_PID}`));
  await cached({ folder, item: "thing", progress: silent, build: fill });
  expect(await readdir(folder)).toEqual(["thing"]);
});

test("a build that comes second yields to the first", async () => {
  const path = await cached({
    folder,
    item: "thing",
    progress: silent,
    build: async (partial) => {
      await fill(partial);
      await mkdir(join(folder, "thing"));
      await writeFile(join(folder, "thing", "file"), "the first");
    },
  });
  expect(await readFile(join(path, "file"), "utf8")).toBe("the first");
  expect(existsSync(join(folder, `thing.partial-${process.pid}`))).toBe(false);
});

test.each([
  { env: { UNSTALE_CACHE_DIR: "/a", XDG_CACHE_HOME: "/b" }, expected: /^\/a$/ },
  { env: { XDG_CACHE_HOME: "/b" }, expected: /^\/b\/unstale$/ },
  { env: {}, expected: /\/\.cache\/unstale$/ },
])("the folder is taken from $env", ({ env, expected }) => {
  expect(cacheFolder(env)).toMatch(expected);
});
