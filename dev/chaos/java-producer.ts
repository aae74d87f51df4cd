import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FAST_JVM, findKafkaInstall, type KafkaInstall } from "../services/kafka-install.ts";
import { Declined, ServiceUnavailableError } from "../services/ladder.ts";
import { silent } from "../services/progress.ts";

// From the checkout: it is no TypeScript, and is not built.
const program = fileURLToPath(new URL("../../../dev/chaos/java/Produce.java", import.meta.url));

export type Compression = "none" | "gzip" | "snappy" | "lz4" | "zstd";

export interface PlainRecord {
  readonly partition: number;
  readonly key: string;
  readonly value: string;
}

/** @throws ServiceUnavailableError where there is no Java, or Kafka's jars cannot be had. */
export async function kafkaInstall(): Promise<KafkaInstall> {
  const install = await findKafkaInstall(process.env, silent);
  if (install instanceof Declined) throw new ServiceUnavailableError(`Kafka's own classes are needed: ${install.why}`);
  return install;
}

/** Sends with Kafka's own producer, each partition's records in one batch. Resolves to the offset of each. */
export async function sendFromJava(options: {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly compression: Compression;
  readonly records: readonly PlainRecord[];
}): Promise<readonly number[]> {
  const install = await kafkaInstall();
  const { brokers, topic, compression, records } = options;
  const logging = `-Dlog4j2.configurationFile=${join(install.folder, "log4j2.properties")}`;
  const args = [...FAST_JVM, logging, "-cp", install.classPath, program, brokers.join(","), topic, compression];
  const child = spawn(install.java, args, { stdio: ["pipe", "pipe", "pipe"] });
  let [output, complaint] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint += text;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(records.map(({ partition, key, value }) => `${partition}\t${key}\t${value}\n`).join(""));
  const [code] = await once(child, "close");
  const lines = output.split("\n").filter((line) => /^\d+$/.test(line));
  if (code === 0 && lines.length === records.length) return lines.map(Number);
  throw new Error(
    `Expected Kafka's producer to send ${records.length} records, it ended with ${code}: ${complaint}${output.slice(-500)}`,
  );
}
