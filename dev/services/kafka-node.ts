import { randomBytes } from "node:crypto";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { addressOf, type KafkaListener, type KafkaProperties, nodeProperties } from "./kafka-config.ts";
import { FAST_JVM, type KafkaInstall } from "./kafka-install.ts";
import { identifyKafka } from "./kafka-probe.ts";
import { OwnedProcess } from "./owned-process.ts";
import { freePort } from "./ports.ts";
import { openScratch } from "./scratch.ts";

/** What a broker may have of its own. */
export interface KafkaSetup {
  /** Lines of server.properties; they win over ours. */
  readonly properties?: KafkaProperties | undefined;
  /** Beside the plain one. */
  readonly listeners?: readonly KafkaListener[] | undefined;
}

export interface KafkaNodeOptions extends KafkaSetup {
  readonly install: KafkaInstall;
  /** Further options of the JVM. */
  readonly jvm: readonly string[];
  /** Its place in a cluster; without one it is a cluster of its own. */
  readonly member?: ClusterMember | undefined;
}

export interface ClusterMember {
  readonly id: number;
  readonly controllerPort: number;
  /** `1@127.0.0.1:19093,2@…` */
  readonly voters: string;
}

export interface KafkaNode {
  readonly server: OwnedProcess;
  readonly broker: string;
  /** `host:port` of the further listeners, by name. */
  readonly listeners: Readonly<Record<string, string>>;
}

const PORT_TRIES = 3;

export async function startKafkaNode(options: KafkaNodeOptions, tries = 1): Promise<KafkaNode> {
  const { install, jvm, member } = options;
  const port = await freePort();
  const controllerPort = member?.controllerPort ?? (await freePort());
  const place = member === undefined ? {} : { "node.id": member.id, "controller.quorum.voters": member.voters };
  const properties = { ...place, ...options.properties };
  const listeners = await Promise.all(
    (options.listeners ?? []).map(async (listener) => ({ ...listener, port: listener.port ?? (await freePort()) })),
  );
  const scratch = await openScratch("kafka");
  const logs = join(scratch.dir, "logs");
  const file = join(scratch.dir, "server.properties");
  await cp(install.emptyLogs, logs, { recursive: true });
  if (member !== undefined) await nameNode(join(logs, "meta.properties"), member.id);
  await writeFile(file, nodeProperties({ port, controllerPort, logs, listeners, properties }));
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
    // The others of a cluster know its port.
    if (member === undefined && tries < PORT_TRIES && /Address already in use/i.test(error.message)) return undefined;
    throw error;
  });
  if (server === undefined) return startKafkaNode(options, tries + 1);
  const addresses = Object.fromEntries(listeners.map((listener) => [listener.name, addressOf(listener)]));
  return { server, broker, listeners: addresses };
}

/** The empty log directory was made for node 1; no two may have the same ids. */
async function nameNode(file: string, id: number): Promise<void> {
  const text = await readFile(file, "utf8");
  const directory = randomBytes(16).toString("base64url").replace(/^-/, "x");
  await writeFile(
    file,
    text.replace(/^node\.id=.*$/m, `node.id=${id}`).replace(/^directory\.id=.*$/m, `directory.id=${directory}`),
  );
}
