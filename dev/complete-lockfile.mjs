// Completes package-lock.json where a registry mirror holds the binaries of some platforms only: npm then leaves the other
// platforms' optional packages out of the lock file, and `npm ci` refuses it. Adds them by name, version, os and cpu.
// Run after every change of dependencies: node dev/complete-lockfile.mjs
import { readFileSync, writeFileSync } from "node:fs";

const file = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(file, "utf8"));
const platform =
  /-(android|darwin|freebsd|linux|openharmony|win32)-(arm64|arm|ia32|loong64|ppc64|riscv64|s390x|x64)(?:-(.+))?$/;

for (const parent of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`;
    const match = platform.exec(name);
    if (lock.packages[place] || !match) continue;
    const [, os, cpu, abi = ""] = match;
    const libc = os === "linux" ? { libc: [abi.startsWith("musl") ? "musl" : "glibc"] } : {};
    const dev = parent.dev ? { dev: true } : {};
    lock.packages[place] = { version, cpu: [cpu], ...dev, ...libc, optional: true, os: [os] };
  }
}
const { "": root, ...rest } = lock.packages;
lock.packages = { "": root, ...Object.fromEntries(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1))) };
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
