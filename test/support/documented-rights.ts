// The commands that docs/security.md gives to administrators, as tests run them.
import { readFileSync } from "node:fs";

const page = readFileSync(new URL("../../docs/security.md", import.meta.url), "utf8");

/** The block after `<!-- acl: <name> -->`, its lines joined where they go on. */
export function documentedBlock(name: string): string[] {
  const block = new RegExp(`<!-- acl: ${name} -->\\n+\`\`\`\\w*\\n([^\`]+)\`\`\``).exec(page)?.[1];
  if (block === undefined) throw new Error(`Expected docs/security.md to have a block "acl: ${name}".`);
  return block
    .replaceAll(/\s*\\?\n\s+/g, " ")
    .split("\n")
    .filter((line) => line.trim() !== "");
}

/** `ACL SETUSER` of a documented user, as words, with a password of the test's own. */
export function documentedUser(name: string, password: string): string[] {
  const [command] = documentedBlock(name);
  return (command ?? "").replace(/>\S+/, `>${password}`).split(/\s+/);
}
