// Writes the Lua scripts into a module, so that the packed library and a producer's bundle carry them: nothing is read
// from disk at run time. A line `--@include NAME` is replaced by NAME.lua. Comments and blank lines are dropped: they are
// for readers of the .lua files. Run by `npm run build`; a test fails when embedded.ts is older than a script.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const folder = new URL("./", import.meta.url);
const shared = new Set(["state", "entries", "birth", "members", "prune", "watermark"]);

function body(name) {
  return readFileSync(new URL(`${name}.lua`, folder), "utf8")
    .split("\n")
    .flatMap((line) => {
      const include = /^--@include (\S+)$/.exec(line);
      if (include) return body(include[1]);
      return /^\s*(--.*)?$/.test(line) ? [] : [line];
    });
}

export function embedded() {
  const names = readdirSync(folder)
    .filter((file) => file.endsWith(".lua"))
    .map((file) => file.slice(0, -".lua".length))
    .filter((name) => !shared.has(name))
    .sort();
  const constants = names.map((name) => {
    const identifier = name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
    return `export const ${identifier} = ${JSON.stringify(`${body(name).join("\n")}\n`)};\n`;
  });
  return `// Made from the .lua files beside it by embed.mjs. Do not edit.\n\n${constants.join("\n")}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const file = new URL("embedded.ts", folder);
  const text = embedded();
  let before = "";
  try {
    before = readFileSync(file, "utf8");
  } catch {
    // Not there yet.
  }
  if (text !== before) writeFileSync(file, text);
}
