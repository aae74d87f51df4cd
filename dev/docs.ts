import { mkdirSync, writeFileSync } from "node:fs";
import { configurationPage } from "../config/index.ts";

// Writes the pages under docs/ that are generated from tables in the code. Run from the root: npm run docs.
const pages = { "docs/configuration.md": configurationPage() };

for (const [path, text] of Object.entries(pages)) {
  mkdirSync("docs", { recursive: true });
  writeFileSync(path, text);
  process.stdout.write(`wrote ${path}\n`);
}
