import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { cached, cacheFolder } from "../../dev/services/cache-folder.ts";
import { runTool } from "../../dev/services/run-tool.ts";

const CLIENT = "valkey==6.2.0";

/** The Python program of test/fixtures, with the `valkey` client from PyPI: it knows the plain schema and nothing of us. */
export interface PlainPython {
  write(query: string, response: string, sources: readonly string[], prefix?: string): Promise<string>;
  read(query: string): Promise<Record<string, string> | null>;
  invalidateEverything(): Promise<number>;
  stop(): Promise<void>;
}

export async function startPlainPython(valkeyUrl: string): Promise<PlainPython> {
  const library = await cached({
    folder: cacheFolder(process.env),
    item: `python-${CLIENT.replace("==", "-")}`,
    build: async (folder) => {
      await runTool({ command: "python3", args: ["-m", "pip", "install", "--quiet", "--target", folder, CLIENT] });
    },
    progress: () => undefined,
  });
  const program = new URL("../fixtures/plain_schema.py", import.meta.url).pathname;
  const child = spawn("python3", [program, valkeyUrl], {
    env: { ...process.env, PYTHONPATH: library },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (...command: unknown[]): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error("The Python program ended; its error is above.");
    return JSON.parse(value);
  };
  return {
    write: async (query, response, sources, prefix = "doc_deps:") =>
      String(await ask("write", query, response, sources, prefix)),
    read: async (query) => (await ask("read", query)) as Record<string, string> | null,
    invalidateEverything: async () => Number(await ask("invalidate_everything")),
    stop: async () => {
      child.stdin.end();
      await exited;
    },
  };
}
