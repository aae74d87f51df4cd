import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { configurationPage, configurationSchema } from "../config/index.ts";
import { withBehaviour } from "./behaviour-tables.ts";
import { renewed } from "./chaos/report.ts";
import { rows } from "./chaos/rows/index.ts";
import { errorsPage } from "./errors-page.ts";
import { telemetryPage } from "./telemetry-page.ts";

// Writes the pages under docs/ that are generated from tables in the code, and the schema that editors check unstale.yaml
// with. Run from the root: npm run docs.
const pages = {
  "docs/configuration.md": configurationPage(),
  "docs/errors.md": errorsPage(),
  "docs/telemetry.md": telemetryPage(),
  // The words of its table only: the figures are from "npm run chaos -- --write".
  "docs/operations.md": withBehaviour(renewed(readFileSync("docs/operations.md", "utf8"), rows, [])),
  // As `unstale config --schema` prints it.
  "config/unstale.schema.json": `${JSON.stringify(configurationSchema(), undefined, 2)}\n`,
};

mkdirSync("docs", { recursive: true });
for (const [path, text] of Object.entries(pages)) {
  writeFileSync(path, text);
  process.stdout.write(`wrote ${path}\n`);
}
