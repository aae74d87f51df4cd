// The library as users get it: packed, installed into an empty project, and used in each way that users have.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { build } from "esbuild";
import { runTool } from "../../dev/services/run-tool.ts";
import { describeWith, sharedValkeyUrl, uniqueName } from "../support/services.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const bin = (name: string) => join(root, "node_modules", ".bin", name);
const node = process.execPath;

// Most tests start a few processes.
jest.setTimeout(60_000);

let folder: string;
let project: string;
let tarball: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "unstale-package-"));
  project = join(folder, "project");
  await mkdir(project);
  await writeFile(join(project, "package.json"), JSON.stringify({ name: "producer", private: true }));
  const pack = ["pack", "--silent", "--pack-destination", folder, "--workspace", "@unstale/cache-core"];
  await runTool({ command: "npm", args: pack, cwd: root });
  tarball = join(folder, (await readdir(folder)).find((name) => name.endsWith(".tgz")) ?? "no tarball");
  const api = (await readManifest(join(root, "node_modules/@opentelemetry/api"))).version;
  const install = ["install", "--prefer-offline", "--no-audit", "--no-fund", tarball, `@opentelemetry/api@${api}`];
  await runTool({ command: "npm", args: install, cwd: project });
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a producer does, in a form that all module systems accept; prints how the first and the second answer came. */
function producer(load: string): string {
  return `${load}
async function main([valkey, query]) {
  const cache = new SmartCache({ valkey });
  // Look-ups wait a quarter of a second at most: on a busy machine that is less than it takes to connect.
  await cache.invalidateSource("warm-up");
  const fill = async (context) => {
    context.dependsOn("article:42");
    return "from the package";
  };
  const first = await cache.getOrSet(query, fill);
  const second = await cache.getOrSet(query, fill);
  const { documents } = await cache.invalidateSource("article:42");
  const third = await cache.getOrSet(query, fill);
  await cache.close();
  console.log(JSON.stringify([first.status, second.status, third.status, second.response, typeof documents]));
}
main(process.argv.slice(2));
`;
}

const asImport = producer('import { SmartCache } from "@unstale/cache-core";');
const asRequire = producer('const { SmartCache } = require("@unstale/cache-core");');

async function run(file: string): Promise<unknown> {
  const output = await runTool({ command: node, args: [file, sharedValkeyUrl(), uniqueName("package")], cwd: folder });
  return JSON.parse(output.trim().split("\n").at(-1) ?? "");
}

const worked = ["filled", "hit", "filled", "from the package", expect.any(String)];

describeWith(["valkey"], "the packed library works", () => {
  test("from an ES module", async () => {
    await writeFile(join(project, "use.mjs"), asImport);
    expect(await run(join(project, "use.mjs"))).toEqual(worked);
  });

  test("from require", async () => {
    await writeFile(join(project, "use.cjs"), asRequire);
    expect(await run(join(project, "use.cjs"))).toEqual(worked);
  });

  test("from a bundle, which carries the scripts", async () => {
    await writeFile(join(project, "bundled.mjs"), asImport);
    await mkdir(join(folder, "elsewhere"));
    const outfile = join(folder, "elsewhere", "bundle.cjs");
    const entryPoints = [join(project, "bundled.mjs")];
    const { warnings } = await build({ entryPoints, outfile, bundle: true, platform: "node", format: "cjs" });
    expect(warnings).toEqual([]);
    expect(await run(outfile)).toEqual(worked);
  });
});

describe("the packed library", () => {
  test("brings no client of Kafka, no logger, no schema library and no OpenTelemetry SDK", async () => {
    const packages = await installed(join(project, "node_modules"));
    expect(packages).toEqual(expect.arrayContaining(["@opentelemetry/api", "@unstale/cache-core", "iovalkey"]));
    expect(packages.filter((name) => /^(kafkajs|pino|zod|@opentelemetry\/(?!api$))/.test(name))).toEqual([]);
  });

  test("holds the build, its licence, its page and nothing else", async () => {
    const files = await readdir(join(project, "node_modules/@unstale/cache-core"), { recursive: true });
    const others = files.filter((name) => !/^dist\/(.*\/)?[\w-]*\.(js|d\.ts)$|^dist(\/scripts)?$/.test(name));
    expect(others.sort()).toEqual(["LICENSE", "README.md", "package.json"]);
  });

  test("depends only on packages with a permissive licence", async () => {
    const names = await installed(join(project, "node_modules"));
    const manifests = await Promise.all(names.map((name) => readManifest(join(project, "node_modules", name))));
    const others = manifests.filter(({ license }) => !["MIT", "ISC", "Apache-2.0", "BSD-3-Clause"].includes(license));
    expect(others).toEqual([]);
  });

  test.each(["bundler", "nodenext"])(
    "type-checks in a strict project with moduleResolution %s",
    async (resolution) => {
      const source = join(project, `typed-${resolution}`);
      await mkdir(source);
      await writeFile(join(source, "use.ts"), typed);
      const compilerOptions = {
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        target: "es2023",
        module: resolution === "bundler" ? "esnext" : "nodenext",
        moduleResolution: resolution,
        skipLibCheck: false,
        noEmit: true,
        types: ["node"],
        typeRoots: [join(root, "node_modules/@types")],
      };
      await writeFile(join(source, "package.json"), '{ "type": "module" }');
      await writeFile(join(source, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.ts"] }));
      await expect(runTool({ command: bin("tsc"), args: ["-p", source], cwd: source })).resolves.toBe("");
    },
    60_000,
  );

  test("has exports that publint and are-the-types-wrong find no fault with", async () => {
    await runTool({ command: bin("publint"), args: ["run", "--strict", tarball], cwd: folder });
    const attw = [
      tarball,
      "--profile",
      "esm-only",
      "--no-emoji",
      "--no-color",
      "--exclude-entrypoints",
      "./package.json",
    ];
    expect(await runTool({ command: bin("attw"), args: attw, cwd: folder })).toMatch(/ OK \(ESM\) .* OK /s);
  }, 60_000);
});

const typed = `import { SmartCache, type GetOrSetResult } from "@unstale/cache-core";

export async function answer(cache: SmartCache, query: string): Promise<string> {
  const result: GetOrSetResult<string> = await cache.getOrSet(
    query,
    async (fill) => {
      fill.dependsOn("article:42");
      return "an answer";
    },
    { ttl: "documentation", namespace: "docs:technical" },
  );
  // @ts-expect-error Sources are a list, or the library's types were not found.
  await cache.getOrSet(query, async () => "x", { sources: "article:42" });
  return result.response;
}
`;

interface Manifest {
  readonly version: string;
  readonly license: string;
}

async function readManifest(path: string): Promise<Manifest> {
  const { version, license }: Manifest = JSON.parse(await readFile(join(path, "package.json"), "utf8"));
  return { version, license };
}

/** The names of all packages below a node_modules folder. */
async function installed(modules: string): Promise<string[]> {
  const names = (await readdir(modules)).filter((name) => !name.startsWith("."));
  const nested = await Promise.all(
    names.map(async (name) =>
      name.startsWith("@") ? (await readdir(join(modules, name))).map((inner) => `${name}/${inner}`) : [name],
    ),
  );
  return nested.flat();
}
