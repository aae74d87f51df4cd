// The licences of what ships: of all packages that an installation without development dependencies brings.
import { readFileSync } from "node:fs";

const root = new URL("../", import.meta.url);

/** Licence → `name version` of its packages, both sorted. Taken from the lock file, so of all platforms. */
export function licences() {
  const { packages } = JSON.parse(readFileSync(new URL("package-lock.json", root), "utf8"));
  const byLicence = new Map();
  for (const [path, { dev, link, license, version }] of Object.entries(packages)) {
    if (dev || link || !path.includes("node_modules/")) continue;
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    const licence = license ?? "none said";
    byLicence.set(licence, (byLicence.get(licence) ?? new Set()).add(`${name} ${version}`));
  }
  return new Map([...byLicence].sort().map(([licence, names]) => [licence, [...names].sort()]));
}

/** The rows of the table in docs/compatibility.md. */
export function licenceRows() {
  return [...licences()].map(([licence, names]) => `| ${licence} | ${names.join(", ")} |`);
}
