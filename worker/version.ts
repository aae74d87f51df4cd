import { readFileSync } from "node:fs";

/** The version in the root package.json, which lies one folder up from the sources and two from the build. */
export function readVersion(): string {
  for (const candidate of ["../package.json", "../../package.json"]) {
    const manifest = readManifest(new URL(candidate, import.meta.url));
    if (manifest?.name === "unstale" && manifest.version !== undefined) return manifest.version;
  }
  return "unknown";
}

function readManifest(url: URL): { readonly name?: string; readonly version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(url, "utf8")) as { name?: string; version?: string };
  } catch {
    // Not there: the other candidate is.
    return undefined;
  }
}
