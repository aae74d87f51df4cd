// Completions in the shells themselves. (bash, which is everywhere, is tested with the packed worker.)
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "@jest/globals";
import { runTool } from "../../dev/services/run-tool.ts";
import { findShell, fishTab, zshTab } from "../support/shells.ts";

const root = join(import.meta.dirname, "../..");
const shells = { zsh: await findShell("zsh"), fish: await findShell("fish") };
const folder = await mkdtemp(join(tmpdir(), "unstale-completion-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

const scriptFor = (shell: string): Promise<string> =>
  runTool({ command: process.execPath, args: [join(root, "dist/worker/main.js"), "completion", shell] });

const { zsh, fish } = shells;
(zsh ? describe : describe.skip)("zsh", () => {
  test("completes commands, options and settings when Tab is pressed", async () => {
    if (!zsh) throw new Error("No zsh.");
    const tab = await zshTab(zsh, await scriptFor("zsh"), folder);
    expect(await tab("unstale inv")).toBe("unstale invalidate");
    expect(await tab("unstale run --emb")).toBe("unstale run --embedded");
    expect(await tab("unstale run --set http.p")).toBe("unstale run --set http.port=");
    expect(await tab("unstale completion f")).toBe("unstale completion fish");
    expect(await tab("unstale nothing")).toBe("unstale nothing");
  }, 60_000);
});

(fish ? describe : describe.skip)("fish", () => {
  test("completes commands, options and settings", async () => {
    if (!fish) throw new Error("No fish.");
    const tab = await fishTab(fish, await scriptFor("fish"), folder);
    expect(await tab("unstale inv")).toBe("invalidate");
    expect(await tab("unstale run --emb")).toBe("--embedded");
    expect(await tab("unstale run --set http.p")).toBe("http.port=");
    expect(await tab("unstale completion f")).toBe("fish");
    expect(await tab("unstale nothing")).toBe("");
  }, 60_000);
});
