import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { cached, cacheFolder } from "./cache-folder.ts";
import { logging, nodeProperties } from "./kafka-config.ts";
import { Declined } from "./ladder.ts";
import type { Progress } from "./progress.ts";
import { fromPath, runTool, ToolFailedError } from "./run-tool.ts";

export const KAFKA_VERSION = "4.4.0";
const LOG4J_VERSION = "2.25.3";
const MAVEN_PLUGIN_VERSION = "3.8.1";
const OLDEST_JAVA = 17;

export interface KafkaInstall {
  readonly java: string;
  /** "17.0.15" */
  readonly javaVersion: string;
  /** For `-cp`. */
  readonly classPath: string;
  /** A formatted, empty log directory to copy: formatting takes a JVM start of its own, and is needed once. */
  readonly emptyLogs: string;
  readonly folder: string;
}

/** Kafka's jars, fetched with Maven into the cache folder where they are missing. */
export async function findKafkaInstall(env: NodeJS.ProcessEnv, progress: Progress): Promise<KafkaInstall | Declined> {
  const java = fromPath("java", env);
  if (java === undefined) return new Declined(`no java in PATH (Kafka ${KAFKA_VERSION} needs ${OLDEST_JAVA} or newer)`);
  const javaVersion = await versionOf(java);
  if (!(Number.parseInt(javaVersion, 10) >= OLDEST_JAVA)) {
    return new Declined(`${java} is Java ${javaVersion}, Kafka ${KAFKA_VERSION} needs ${OLDEST_JAVA} or newer`);
  }
  try {
    const folder = await cached({
      folder: cacheFolder(env),
      item: `kafka-${KAFKA_VERSION}`,
      progress: (line) => progress(`Kafka: ${line}`),
      build: (partial) => install({ java, folder: partial, mvn: fromPath("mvn", env), progress }),
    });
    return { java, javaVersion, classPath: join(folder, "lib", "*"), emptyLogs: join(folder, "empty-logs"), folder };
  } catch (error) {
    return new Declined(error instanceof Error ? error.message : String(error));
  }
}

interface InstallOptions {
  readonly java: string;
  readonly mvn: string | undefined;
  readonly folder: string;
  readonly progress: Progress;
}

async function install({ java, mvn, folder, progress }: InstallOptions): Promise<void> {
  if (mvn === undefined) throw new Error(`no mvn in PATH to fetch Kafka ${KAFKA_VERSION} with`);
  await mkdir(join(folder, "lib"));
  await writeFile(join(folder, "pom.xml"), pom());
  progress(`Kafka: fetching Kafka ${KAFKA_VERSION} with Maven (43 MB, once) …`);
  let megabytes = 0;
  await runTool({
    command: mvn,
    args: [
      "-B",
      "-f",
      join(folder, "pom.xml"),
      `org.apache.maven.plugins:maven-dependency-plugin:${MAVEN_PLUGIN_VERSION}:copy-dependencies`,
      `-DoutputDirectory=${folder}/lib`,
    ],
    onLine: (line) => {
      const [, size, unit] = /Downloaded from .*\(([\d.]+) (k|M)?B/.exec(line) ?? [];
      if (size === undefined) return;
      megabytes += Number(size) * (unit === "M" ? 1 : unit === "k" ? 1e-3 : 1e-6);
      progress(`Kafka: ${megabytes.toFixed(1)} MB downloaded …`, { transient: true });
    },
  }).catch((error: unknown) => {
    throw new Error(`mvn could not fetch Kafka ${KAFKA_VERSION}: ${firstComplaint(error)}`);
  });
  if (!(await readdir(join(folder, "lib"))).includes(`kafka_2.13-${KAFKA_VERSION}.jar`)) {
    throw new Error(`mvn fetched no kafka_2.13-${KAFKA_VERSION}.jar`);
  }
  progress("Kafka: formatting an empty log directory …", { transient: true });
  const properties = join(folder, "format.properties");
  await writeFile(join(folder, "log4j2.properties"), logging());
  await writeFile(properties, nodeProperties({ port: 1, controllerPort: 2, logs: join(folder, "empty-logs") }));
  const format = ["kafka.tools.StorageTool", "format", "-t", clusterId(), "-c", properties];
  await runTool({ command: java, args: [...FAST_JVM, "-cp", join(folder, "lib", "*"), ...format] });
}

/** For a JVM whose start is most of its life; the second compiler would not earn its keep. */
export const FAST_JVM = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"];

/** Kafka wants the base64 form of 16 bytes. */
function clusterId(): string {
  return Buffer.from("unstale-services").toString("base64url");
}

async function versionOf(java: string): Promise<string> {
  const text = await runTool({ command: java, args: ["-version"] });
  return /version "([\w.-]+)/.exec(text)?.[1] ?? text.trim();
}

function firstComplaint(error: unknown): string {
  const output = error instanceof ToolFailedError ? error.output : String(error);
  const lines = stripVTControlCharacters(output).split("\n");
  const complaints = lines.flatMap((line) => /^\[(?:ERROR|FATAL)\]\s*(\S.*)$/.exec(line)?.[1] ?? []);
  const complaint = complaints[0] ?? lines.findLast((line) => line.trim() !== "") ?? "no output";
  return complaint.replace(/ -> \[Help \d+\]$/, "").slice(0, 700);
}

function pom(): string {
  const dependency = (group: string, artifact: string, version: string) =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0">',
    "<modelVersion>4.0.0</modelVersion>",
    "<groupId>unstale.dev</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>",
    "<dependencies>",
    dependency("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
    dependency("org.apache.logging.log4j", "log4j-slf4j-impl", LOG4J_VERSION),
    "</dependencies>",
    "</project>",
  ].join("\n");
}
