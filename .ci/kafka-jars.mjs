// node .ci/kafka-jars.mjs 3.9.1 -- command …: runs the command with UNSTALE_KAFKA_BROKERS set to a broker of that version,
// whose jars come from Maven Central. Needs a build (npm run build).
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { env } from "node:process";
import { cached, cacheFolder } from "../dist/dev/services/cache-folder.js";
import { nodeProperties } from "../dist/dev/services/kafka-config.js";
import { FAST_JVM } from "../dist/dev/services/kafka-install.js";
import { identifyKafka } from "../dist/dev/services/kafka-probe.js";
import { OwnedProcess } from "../dist/dev/services/owned-process.js";
import { freePort } from "../dist/dev/services/ports.js";
import { runTool } from "../dist/dev/services/run-tool.js";
import { openScratch } from "../dist/dev/services/scratch.js";

const [version, , command, ...args] = process.argv.slice(2);
const artifacts = [`org.apache.kafka:kafka_2.13:${version}`];
// Kafka 3 wants a Log4j 1, which its own package does not bring.
if (version.startsWith("3.")) artifacts.push("ch.qos.reload4j:reload4j:1.2.25", "org.slf4j:slf4j-nop:1.7.36");

const folder = await cached({
  folder: cacheFolder(env),
  item: `kafka-jars-${version}`,
  progress: console.error,
  build: async (partial) => {
    await mkdir(join(partial, "lib"));
    const dependencies = artifacts.map((artifact) => {
      const [group, id, number] = artifact.split(":");
      return `<dependency><groupId>${group}</groupId><artifactId>${id}</artifactId><version>${number}</version></dependency>`;
    });
    const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>unstale.dev</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging><dependencies>${dependencies.join("")}</dependencies></project>`;
    await writeFile(join(partial, "pom.xml"), pom);
    const copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
    await runTool({
      command: "mvn",
      args: ["-B", "-q", "-f", join(partial, "pom.xml"), copy, `-DoutputDirectory=${partial}/lib`],
    });
  },
});

const [port, controllerPort, scratch] = [await freePort(), await freePort(), await openScratch("kafka-jars")];
const file = join(scratch.dir, "server.properties");
await writeFile(file, nodeProperties({ port, controllerPort, logs: join(scratch.dir, "logs") }));
const java = [...FAST_JVM, "-cp", join(folder, "lib", "*")];
const id = Buffer.from("unstale-services").toString("base64url");
await runTool({ command: "java", args: [...java, "kafka.tools.StorageTool", "format", "-t", id, "-c", file] });
const broker = `127.0.0.1:${port}`;
const kafka = await OwnedProcess.start({
  name: `Kafka ${version}`,
  command: "java",
  args: ["-Xmx512m", ...java, "kafka.Kafka", file],
  scratch,
  probe: () => identifyKafka([broker]),
  startTimeoutMs: 90_000,
});
try {
  const child = spawn(command, args, { stdio: "inherit", env: { ...env, UNSTALE_KAFKA_BROKERS: broker } });
  process.exitCode = await new Promise((resolve, reject) => child.once("exit", resolve).once("error", reject));
} finally {
  await kafka.stop();
}
