import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nodeProperties } from "./kafka-config.ts";
import { FAST_JVM, type KafkaInstall } from "./kafka-install.ts";
import { identifyKafka } from "./kafka-probe.ts";
import { OwnedProcess } from "./owned-process.ts";
import { freePort } from "./ports.ts";
import { openScratch } from "./scratch.ts";

export interface KafkaNodeOptions {
  readonly install: KafkaInstall;
  /** Further options of the JVM. */
  readonly jvm: readonly string[];
}

export interface KafkaNode {
  readonly server: OwnedProcess;
  readonly broker: string;
}

const PORT_TRIES = 3;

export async function startKafkaNode({ install, jvm }: KafkaNodeOptions, tries = 1): Promise<KafkaNode> {
  const port = await freePort();
  const controllerPort = await freePort();
  const scratch = await openScratch("kafka");
  const logs = join(scratch.dir, "logs");
  const file = join(scratch.dir, "server.properties");
  await cp(install.emptyLogs, logs, { recursive: true });
  await writeFile(file, nodeProperties({ port, controllerPort, logs }));
  const broker = `127.0.0.1:${port}`;
  const logging = `-Dlog4j2.configurationFile=${join(install.folder, "log4j2.properties")}`;
  const launch = OwnedProcess.start({
    name: "Kafka",
    command: install.java,
    args: ["-Xmx512m", ...FAST_JVM, ...jvm, logging, "-cp", install.classPath, "kafka.Kafka", file],
    scratch,
    probe: () => identifyKafka([broker]),
    startTimeoutMs: 90_000,
  });
  const server = await launch.catch((error: Error) => {
    if (tries < PORT_TRIES && /Address already in use/i.test(error.message)) return undefined;
    throw error;
  });
  return server === undefined ? startKafkaNode({ install, jvm }, tries + 1) : { server, broker };
}
