import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import { draftAnswer, quote } from "../../../examples/answers/answers.ts";
import { parsePage, readSite } from "../../../examples/answers/site.ts";

const site = new URL("../../../examples/site", import.meta.url).pathname;
const page = (id: string, body: string, more = "") => `---\nid: ${id}\ntitle: ${id}\n${more}---\n${body}\n`;

let folder: string | undefined;
async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  folder = await mkdtemp(join(tmpdir(), "unstale-answers-"));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}
afterEach(async () => {
  if (folder) await rm(folder, { recursive: true, force: true });
  folder = undefined;
});

describe("the example site", () => {
  test("has pages with unique ids, a namespace and a content class each", async () => {
    const pages = await readSite(site);
    expect(pages.length).toBeGreaterThanOrEqual(15);
    expect(new Set(pages.map(({ id }) => id)).size).toBe(pages.length);
    expect(pages.filter(({ namespace }) => !/^\w+:\w+$/.test(namespace))).toEqual([]);
    expect(new Set(pages.map(({ contentClass }) => contentClass))).toEqual(
      new Set(["static", "documentation", "user", "real-time"]),
    );
  });

  test.each([
    ["What does the Alder desk lamp cost?", ["article:42"], "€49.00"],
    ["When do orders ship for free?", ["policy:1"], "€80"],
    ["How long is the warranty on lamps?", ["policy:3"], "2 years"],
    ["What does the Linen armchair cost, and what is its delivery?", ["article:43", "policy:1"], "€349.00"],
  ])("answers: %s", async (question, used, fact) => {
    const draft = await draftAnswer({ folder: site, question, write: quote });
    expect(draft.response).toContain(fact);
    expect(draft.sources).toEqual([...used, "list:pages"]);
  });

  test("a question about nothing on the site depends on the list of pages only", async () => {
    const draft = await draftAnswer({ folder: site, question: "xyzzy", write: quote });
    expect(draft).toEqual({
      response: "I found nothing about that.",
      sources: ["list:pages"],
      contentClass: "real-time",
    });
  });
});

describe("draftAnswer", () => {
  test("takes the shortest-lived content class of the pages it used", async () => {
    const sand = {
      "a.md": page("a", "Sand is fine.", "class: static\n"),
      "b.md": page("b", "Sand is wet.", "class: user\n"),
    };
    const draft = await draftAnswer({ folder: await folderWith(sand), question: "sand", write: quote });
    expect(draft.sources).toEqual(["a", "b", "list:pages"]);
    expect(draft.contentClass).toBe("user");
  });

  test("looks only below the namespace that was asked for", async () => {
    const files = {
      "a.md": page("a", "Sand is fine.", "namespace: docs:technical\n"),
      "b.md": page("b", "Sand is wet.", "namespace: docs2\n"),
    };
    const draft = await draftAnswer({
      folder: await folderWith(files),
      question: "sand",
      write: quote,
      namespace: "docs",
    });
    expect(draft.sources).toEqual(["a", "list:pages"]);
  });

  test("reads what is on disk now", async () => {
    const place = await folderWith({ "a.md": page("a", "Sand costs €1.") });
    await draftAnswer({ folder: place, question: "sand", write: quote });
    await writeFile(join(place, "a.md"), page("a", "Sand costs €2."));
    const draft = await draftAnswer({ folder: place, question: "sand", write: quote });
    expect(draft.response).toContain("€2");
  });
});

describe("parsePage", () => {
  test("a file without an id is not a page", () => {
    expect(parsePage("# Only text")).toBeUndefined();
    expect(parsePage("---\ntitle: x\n---\nText")).toBeUndefined();
    expect(parsePage("")).toBeUndefined();
  });

  test("an unknown content class is taken for a short-lived one", () => {
    expect(parsePage(page("a", "x", "class: forever\n"))?.contentClass).toBe("user");
  });
});
