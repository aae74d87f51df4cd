import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FAST_JVM } from "../services/kafka-install.ts";
import { kafkaInstall } from "./java-producer.ts";

const program = fileURLToPath(new URL("../../../dev/chaos/java/Decompress.java", import.meta.url));
const packages = { "kafkajs-snappy": "snappy", "kafkajs-lz4": "lz4", "@kafkajs/zstd": "zstd" } as const;

/**
 * Stands in for the codec packages that a user would install: the same names and the same shape, around Kafka's own codecs.
 * Slow, as each batch starts a JVM; a batch that is fetched again is known. The folder belongs into `NODE_PATH`.
 */
export async function writeCodecPackages(folder: string): Promise<void> {
  const { java, classPath } = await kafkaInstall();
  for (const [name, compression] of Object.entries(packages)) {
    const args = [...FAST_JVM, "-cp", classPath, program, compression];
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, "index.js"), source(java, args));
  }
}

function source(java: string, args: readonly string[]): string {
  return `const { createHash } = require("node:crypto");
const { spawn } = require("node:child_process");
const known = new Map();
module.exports = () => ({
  compress: () => Promise.reject(new Error("only reads")),
  decompress: (buffer) => {
    const name = createHash("sha256").update(buffer).digest("hex");
    if (!known.has(name)) known.set(name, unpack(buffer));
    return known.get(name);
  },
});
function unpack(buffer) {
  return new Promise((resolve, reject) => {
    const child = spawn(${JSON.stringify(java)}, ${JSON.stringify(args)}, { stdio: ["pipe", "pipe", "inherit"] });
    const parts = [];
    child.stdout.on("data", (part) => parts.push(part));
    child.once("error", reject);
    child.once("close", (code) => code === 0 ? resolve(Buffer.concat(parts)) : reject(new Error("ended with " + code)));
    child.stdin.end(buffer);
  });
}
`;
}
