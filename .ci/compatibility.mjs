// Writes the tables of docs/compatibility.md from what .ci/docker and .ci/versions found (dist/ci/*.tsv), and from the lock
// file the licences of what ships. A table whose lane did not run here stays as it is.
import { readFileSync, writeFileSync } from "node:fs";
import { licenceRows } from "./licences.mjs";

const root = new URL("../", import.meta.url);
const page = new URL("docs/compatibility.md", root);
const read = (path) => readFileSync(new URL(path, root), "utf8");

function facts(lane) {
  try {
    return read(`dist/ci/${lane}.tsv`).trim().split("\n").filter(Boolean);
  } catch {
    return [];
  }
}

const table = (head, rows) => [head, head.replaceAll(/[^|]+/g, "---"), ...rows].join("\n");
const measured = (lane) => {
  const rows = facts(lane).map((line) => `| ${line.split("\t").join(" | ")} |`);
  return rows.length === 0 ? undefined : table("| what | result |", rows);
};

let text = readFileSync(page, "utf8");
for (const [name, made] of Object.entries({
  versions: measured("versions"),
  docker: measured("docker"),
  licences: table("| licence | packages |", licenceRows()),
})) {
  if (made === undefined) continue;
  const marks = new RegExp(`(<!-- ${name} -->\\n)[^]*?(<!-- end -->)`);
  if (!marks.test(text)) throw new Error(`Expected <!-- ${name} --> … <!-- end --> in docs/compatibility.md.`);
  text = text.replace(marks, (_, begin, end) => `${begin}${made}\n${end}`);
}
writeFileSync(page, text);
