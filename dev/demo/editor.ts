import { cpSync, mkdtempSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A page of the shop with one price in it, and the question that customers ask about it. */
export interface PricedPage {
  readonly id: string;
  readonly file: string;
  readonly question: string;
}

const priced = [
  ["article:41", "oak-wall-shelf", "What does the Oak wall shelf cost?"],
  ["article:42", "alder-desk-lamp", "What does the Alder desk lamp cost?"],
  ["article:43", "linen-armchair", "What does the Linen armchair cost?"],
  ["article:44", "walnut-side-table", "What does the Walnut side table cost?"],
  ["article:45", "wool-blanket", "What does the Wool blanket cost?"],
  ["article:46", "stoneware-mugs", "What does a set of four Stoneware mugs cost?"],
  ["article:47", "brass-coat-hooks", "What does a pair of Brass coat hooks cost?"],
  ["article:48", "wireless-dimmer", "What does the Wireless dimmer cost?"],
] as const;

export const pricedPages: readonly PricedPage[] = priced.map(([id, name, question]) => ({
  id,
  file: `products/${name}.md`,
  question,
}));

export const theLamp: PricedPage = pricedPages.find(({ id }) => id === "article:42") ?? {
  id: "",
  file: "",
  question: "",
};

export interface Editor {
  /** A copy of the example site; the original is not touched. */
  readonly folder: string;
  priceOf(page: PricedPage): Promise<string>;
  /** Saves the page with another price, as editors do: a new file, moved over the old one. Resolves to the time of that. */
  setPrice(page: PricedPage, price: string): Promise<number>;
  close(): Promise<void>;
}

const price = /€\d+\.\d\d/;

export function openEditor({ site }: { readonly site: string }): Editor {
  // In one go, so that an interruption finds the folder either not there or known.
  const folder = mkdtempSync(join(tmpdir(), "unstale-demo-site-"));
  cpSync(site, folder, { recursive: true });
  return {
    folder,
    priceOf: async ({ file }) => price.exec(await readFile(join(folder, file), "utf8"))?.[0] ?? "",
    async setPrice({ file }, next) {
      const path = join(folder, file);
      const text = await readFile(path, "utf8");
      await writeFile(`${path}.saving`, text.replace(price, next));
      await rename(`${path}.saving`, path);
      return now();
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Milliseconds since the epoch, with fractions. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
