// Downloads are kept in one folder. An item is built in a folder of its own and renamed into place, so whatever has the
// right name is complete. The lock only keeps two starts from downloading the same thing twice: without it both would
// build, one rename would win, and the other build would be thrown away.
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Progress } from "./progress.ts";

export function cacheFolder(env: NodeJS.ProcessEnv): string {
  return env.UNSTALE_CACHE_DIR ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "unstale");
}

export interface CachedItem {
  readonly folder: string;
  readonly item: string;
  /** Fills the given empty folder. */
  readonly build: (folder: string) => Promise<void>;
  readonly progress: Progress;
}

/** The path of the item, built first where it is missing. */
export async function cached({ folder, item, build, progress }: CachedItem): Promise<string> {
  const target = join(folder, item);
  if (existsSync(target)) return target;
  await mkdir(folder, { recursive: true });
  const unlock = await lock(join(folder, `${item}.lock`), () => progress(`waiting for another start to fetch ${item}`));
  const partial = join(folder, `${item}.partial-${process.pid}`);
  try {
    if (existsSync(target)) return target;
    await removeAbandoned(folder, item);
    await mkdir(partial);
    await build(partial);
    await rename(partial, target);
    return target;
  } catch (error) {
    if (existsSync(target)) return target;
    throw error;
  } finally {
    await rm(partial, { recursive: true, force: true });
    await unlock();
  }
}

const LONGEST_WAIT_MS = 300_000;

async function lock(file: string, onWait: () => void): Promise<() => Promise<void>> {
  const impatient = Date.now() + LONGEST_WAIT_MS;
  let told = false;
  for (;;) {
    try {
      await writeFile(file, String(process.pid), { flag: "wx" });
      return () => rm(file, { force: true });
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    const holder = await readFile(file, "utf8").catch(() => "");
    if ((holder !== "" && !isAlive(Number(holder))) || Date.now() > impatient) {
      await rm(file, { force: true });
      continue;
    }
    if (!told) onWait();
    told = true;
    await delay(100);
  }
}

async function removeAbandoned(folder: string, item: string): Promise<void> {
  const prefix = `${item}.partial-`;
  for (const name of await readdir(folder)) {
    if (name.startsWith(prefix) && !isAlive(Number(name.slice(prefix.length)))) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

/** Not by `instanceof`: in jest, Node's errors are of another realm. */
function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}
