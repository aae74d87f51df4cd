import { mkdirSync, writeFileSync } from "node:fs";
import { configurationPage } from "../config/index.ts";
import { errorsPage } from "./errors-page.ts";
import { telemetryPage } from "./telemetry-page.ts";

// Writes the pages under docs/ that are generated from tables in the code. Run from the root: npm run docs.
const pages = {
  "docs/configuration.md": configurationPage(),
  "docs/errors.md": errorsPage(),
  "docs/telemetry.md": telemetryPage(),
};

mkdirSync("docs", { recursive: true });
for (const [path, text] of Object.entries(pages)) {
  writeFileSync(path, text);
  process.stdout.write(`wrote ${path}\n`);
}
