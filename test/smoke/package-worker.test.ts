// The worker as users get it: both tarballs in an empty project, and the command line that they bring.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { runTool } from "../../dev/services/run-tool.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

// Each test starts a few processes, and loading the worker takes a second on a busy machine.
jest.setTimeout(60_000);

let folder: string;
let project: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "unstale-package-worker-"));
  project = join(folder, "project");
  await mkdir(project);
  await writeFile(join(project, "package.json"), JSON.stringify({ name: "worker", private: true }));
  const pack = ["pack", "--silent", "--pack-destination", folder, "--workspaces", "--include-workspace-root"];
  await runTool({ command: "npm", args: pack, cwd: root });
  const tarballs = (await readdir(folder)).filter((name) => name.endsWith(".tgz")).map((name) => join(folder, name));
  const install = ["install", "--prefer-offline", "--no-audit", "--no-fund", ...tarballs];
  await runTool({ command: "npm", args: install, cwd: project });
}, 180_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const unstale = (...args: string[]) =>
  runTool({ command: join(project, "node_modules/.bin/unstale"), args, cwd: project });

test("installs a command that says its version and its settings", async () => {
  expect((await unstale("--version")).trim()).toMatch(/^\d+\.\d+\.\d+/);
  expect(await unstale("config")).toContain("127.0.0.1:6379");
});

test("prints a JSON Schema that knows each setting, its default and its words", async () => {
  const schema = await unstale("config", "--schema");
  const { properties } = JSON.parse(schema);
  expect(properties.kafka.properties.groupId).toMatchObject({ type: "string", default: "unstale" });
  expect(properties.log.properties.level.enum).toContain("warn");
  expect(properties.valkey.properties.passwordFile.type).toBe("string");
  expect(properties.kafka.properties.topics.anyOf[1].items.anyOf[1].properties).toHaveProperty("wide");
  // The same lies beside the example file in the package.
  const shipped = join(project, "node_modules/unstale/config");
  expect(await readFile(join(shipped, "unstale.schema.json"), "utf8")).toBe(schema);
  expect(await unstale("config", "--config", join(shipped, "unstale.example.yaml")).catch(String)).toContain("ENOENT");
});

test("completes commands, options and settings in bash", async () => {
  const file = join(folder, "completion.bash");
  await writeFile(file, await unstale("completion", "bash"));
  const complete = async (...words: string[]) => {
    const script = `source ${file}; compopt() { :; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _unstale; echo "\${COMPREPLY[@]}"`;
    return (await runTool({ command: "bash", args: ["-c", script, "bash", ...words] })).trim();
  };
  expect(await complete("unstale", "inv")).toBe("invalidate");
  expect(await complete("unstale", "run", "--emb")).toBe("--embedded");
  expect(await complete("unstale", "run", "--set", "http.p")).toBe("http.port=");
  expect(await complete("unstale", "completion", "f")).toBe("fish");
});

test.each([
  ["zsh", "#compdef unstale"],
  ["fish", "complete -c unstale -n __fish_use_subcommand -a doctor"],
])("has a script for %s", async (shell, line) => {
  expect(await unstale("completion", shell)).toContain(line);
});
