import { createHash } from "node:crypto";
import { type FSWatcher, watch } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { parsePage } from "../answers/site.ts";

export interface PageChange {
  readonly op: "create" | "update" | "delete";
  readonly id: string;
  readonly file: string;
  /** When the file was last written, in milliseconds since the epoch; for a deleted one when that was noticed. */
  readonly changedAt: number;
}

export interface WatchFolderOptions {
  readonly folder: string;
  /** Called for one look at the folder after the other. What it rejects for is found and handed over again. */
  readonly onChanges: (changes: readonly PageChange[]) => Promise<void>;
  readonly onError: (error: unknown) => void;
  /** How long nothing may happen before the folder is read: editors write in several steps. */
  readonly quietMs?: number;
  readonly retryMs?: number;
}

interface KnownPage {
  readonly id: string;
  readonly digest: string;
}

/**
 * Tells which pages of a folder change, from now on. File system events only say when to look: they arrive several times
 * for one save, or as a rename where an editor writes a new file and moves it over the old one. What changed is found by
 * comparing contents.
 */
export async function watchFolder(options: WatchFolderOptions): Promise<{ close(): Promise<void> }> {
  const { folder, onChanges, onError, quietMs = 20, retryMs = 1_000 } = options;
  const watchers = new Map<string, FSWatcher>();
  const known = new Map<string, KnownPage>();
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();
  let closed = false;

  function lookAfter(ms: number): void {
    if (closed) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      // One look at a time: what changes during one is seen by the next.
      looking = looking.then(look).catch((error: unknown) => {
        onError(error);
        lookAfter(retryMs);
      });
    }, ms);
  }

  async function look(): Promise<void> {
    const { pages, changes } = await comparePages({ folder, known });
    if (closed) return;
    if (changes.length > 0) await onChanges(changes);
    // Remembered only now, so that a change which could not be handed over is found again.
    known.clear();
    for (const [file, page] of pages) known.set(file, page);
    await watchSubfolders();
  }

  async function watchSubfolders(): Promise<void> {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
    for (const path of [folder, ...folders]) {
      if (closed || watchers.has(path)) continue;
      const watcher = watch(path, () => lookAfter(quietMs));
      watcher.on("error", () => {
        watcher.close();
        watchers.delete(path);
        lookAfter(quietMs);
      });
      watchers.set(path, watcher);
      // A page may have been written between the reading of the folder and this line.
      lookAfter(quietMs);
    }
  }

  // Looks wait in line behind this one, or all pages would seem to be new.
  looking = comparePages({ folder, known }).then(({ pages }) => {
    for (const [file, page] of pages) known.set(file, page);
  });
  await Promise.all([looking, watchSubfolders()]);

  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
      await looking;
    },
  };
}

interface Comparison {
  readonly pages: ReadonlyMap<string, KnownPage>;
  readonly changes: readonly PageChange[];
}

async function comparePages({
  folder,
  known,
}: {
  readonly folder: string;
  readonly known: ReadonlyMap<string, KnownPage>;
}): Promise<Comparison> {
  const names = await readdir(folder, { recursive: true });
  const files = names.filter((name) => name.endsWith(".md")).sort();
  const reads = await Promise.all(files.map(async (file) => ({ file, read: await readPage(join(folder, file)) })));
  const pages = new Map<string, KnownPage>();
  const changes: PageChange[] = [];
  for (const { file, read } of reads) {
    const before = known.get(file);
    // A half-written file has no front matter yet; it is still the page that it was.
    const id = read?.id ?? before?.id;
    if (!read || !id) continue;
    const page = { id, digest: read.digest };
    pages.set(file, page);
    for (const what of compare({ before, page })) {
      changes.push({ ...what, file, changedAt: await savedAt(join(folder, file)) });
    }
  }
  for (const [file, { id }] of known) {
    if (!pages.has(file)) changes.push({ op: "delete", id, file, changedAt: Date.now() });
  }
  return { pages, changes };
}

function compare({
  before,
  page,
}: {
  readonly before: KnownPage | undefined;
  readonly page: KnownPage;
}): Pick<PageChange, "op" | "id">[] {
  if (!before) return [{ op: "create", id: page.id }];
  if (before.digest === page.digest) return [];
  if (before.id === page.id) return [{ op: "update", id: page.id }];
  return [
    { op: "delete", id: before.id },
    { op: "create", id: page.id },
  ];
}

async function readPage(path: string): Promise<{ id?: string; digest: string } | undefined> {
  const text = await readFile(path, "utf8").catch(ignoreDeleted);
  if (text === undefined) return undefined;
  const id = parsePage(text)?.id;
  return { ...(id && { id }), digest: createHash("sha256").update(text).digest("hex") };
}

async function savedAt(path: string): Promise<number> {
  const found = await stat(path).catch(ignoreDeleted);
  return found?.mtimeMs ?? Date.now();
}

/** A file may vanish between the listing and the reading. */
function ignoreDeleted(error: unknown): undefined {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
  throw error;
}
