// npm audit of what ships: any advisory is a failure. A registry that knows of none (many mirrors answer 404 or 405) is
// said loudly, and is none: nothing in the tree can mend it.
import { spawnSync } from "node:child_process";

const { stdout, stderr } = spawnSync("npm", ["audit", "--omit=dev", "--json"], { encoding: "utf8" });

function parsed() {
  try {
    return JSON.parse(stdout);
  } catch {
    return { message: stderr.trim() || stdout.trim() || "no answer" };
  }
}

const { metadata, vulnerabilities = {}, statusCode, message = "", error } = parsed();
if (metadata === undefined) {
  const reason = statusCode ? `the registry answers ${statusCode}` : (error?.summary ?? message).split("\n")[0];
  console.log(`\n!!! NOT CHECKED: npm audit. No advisories are to be had here: ${reason}.\n`);
} else {
  for (const { name, severity, range } of Object.values(vulnerabilities)) console.log(`${severity}: ${name} ${range}`);
  const { total } = metadata.vulnerabilities;
  console.log(`npm audit: ${total} of ${metadata.dependencies.prod} packages that ship have known vulnerabilities`);
  process.exitCode = total > 0 ? 1 : 0;
}
