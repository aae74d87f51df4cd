import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** How long an answer from this document may be kept: a name that the cache knows, longest first. */
export const contentClasses = ["static", "documentation", "user", "real-time"] as const;
export type ContentClass = (typeof contentClasses)[number];

export interface Page {
  /** The name that change events use: `article:42`. */
  readonly id: string;
  readonly title: string;
  readonly namespace: string;
  readonly contentClass: ContentClass;
  readonly text: string;
}

/** All pages of a folder, as they are on disk now. */
export async function readSite(folder: string): Promise<Page[]> {
  const names = await readdir(folder, { recursive: true });
  const files = names.filter((name) => name.endsWith(".md")).sort();
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8").catch(ignoreDeleted)));
  return texts.flatMap((text) => parsePage(text) ?? []);
}

/** `undefined` for a file without an id in its front matter, such as one that is half written. */
export function parsePage(markdown: string): Page | undefined {
  const [, head = "", body = ""] = /^---\n(.*?)\n---\n(.*)$/s.exec(markdown) ?? [];
  const fields = new Map(
    head.split("\n").map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()] as const;
    }),
  );
  const id = fields.get("id");
  if (!id) return undefined;
  return {
    id,
    title: fields.get("title") ?? id,
    namespace: fields.get("namespace") ?? "",
    contentClass: contentClasses.find((name) => name === fields.get("class")) ?? "user",
    text: body,
  };
}

/** A file may vanish between the listing and the reading. */
function ignoreDeleted(error: unknown): string {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
  throw error;
}
