import { execFile } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";
import { promisify } from "node:util";

/** Machine, versions and date, one line each. */
export async function circumstances(services: readonly string[]): Promise<string[]> {
  const [first] = cpus();
  const commit = await promisify(execFile)("git", ["rev-parse", "--short", "HEAD"]).then(
    ({ stdout }) => `, at commit ${stdout.trim()}`,
    () => "",
  );
  return [
    `${cpus().length} × ${first?.model.trim() ?? "unknown processor"}, ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}`,
    `Node ${process.versions.node}, OpenSSL ${process.versions.openssl}, V8 ${process.versions.v8}`,
    ...new Set(services.map((service) => service.replace(/,? (started|from) .*/, ""))),
    `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC${commit}; load average at the end ${loadavg()[0]?.toFixed(1)}`,
  ];
}
