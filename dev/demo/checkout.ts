import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the checkout, from the built demo as well as from its sources. */
function findCheckout(): string {
  const here = fileURLToPath(import.meta.url);
  for (let folder = dirname(here); folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, "package-lock.json"))) return folder;
  }
  throw new Error(`Expected the demo to run from a checkout of the project, found none above ${here}.`);
}

export const siteFolder: string = join(findCheckout(), "examples", "site");
export const workerCommand: string = join(findCheckout(), "dist", "worker", "main.js");
