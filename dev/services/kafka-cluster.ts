import { ownedControls, type ServiceHandle } from "./handle.ts";
import { classArchive } from "./kafka-classes.ts";
import type { KafkaProperties } from "./kafka-config.ts";
import { findKafkaInstall, KAFKA_VERSION } from "./kafka-install.ts";
import { startKafkaNode } from "./kafka-node.ts";
import { Declined, ServiceUnavailableError } from "./ladder.ts";
import { freePort } from "./ports.ts";
import { type Progress, silent } from "./progress.ts";

export interface KafkaClusterHandle {
  readonly brokers: readonly string[];
  /** By node id, from 1 on. */
  readonly nodes: ReadonlyMap<number, ServiceHandle>;
  stop(): Promise<void>;
}

export interface StartKafkaClusterOptions {
  /** Default 3, each broker and controller in one. */
  readonly size?: number;
  /** For each node; they win over ours. */
  readonly properties?: KafkaProperties;
  readonly progress?: Progress;
  readonly env?: NodeJS.ProcessEnv;
}

/** Local processes only: containers of a cluster would have to find one another. */
export async function startKafkaCluster({
  size = 3,
  properties = {},
  progress = silent,
  env = process.env,
}: StartKafkaClusterOptions = {}): Promise<KafkaClusterHandle> {
  const install = await findKafkaInstall(env, progress);
  if (install instanceof Declined) throw new ServiceUnavailableError(`A cluster of Kafka is needed: ${install.why}.`);
  const jvm = await classArchive({ install, env, progress });
  const ids = Array.from({ length: size }, (_, index) => index + 1);
  const ports = await Promise.all(ids.map(async (id) => ({ id, controllerPort: await freePort() })));
  const voters = ports.map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`).join(",");
  const replicated = {
    "default.replication.factor": size,
    "min.insync.replicas": Math.max(1, size - 1),
    "offsets.topic.replication.factor": size,
    "transaction.state.log.replication.factor": size,
    "transaction.state.log.min.isr": Math.max(1, size - 1),
    ...properties,
  };
  progress(`Kafka: starting a cluster of ${size} …`, { transient: true });
  // None answers before most of them are there.
  const starts = await Promise.allSettled(
    ports.map(async (port) => ({
      id: port.id,
      ...(await startKafkaNode({ install, jvm, member: { ...port, voters }, properties: replicated })),
    })),
  );
  const nodes = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map(({ server }) => server.stop())));
  const failed = starts.find((start) => start.status === "rejected");
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return {
    brokers: nodes.map(({ broker }) => broker),
    nodes: new Map(
      nodes.map(({ id, server, broker }) => {
        const chosen = `Kafka ${KAFKA_VERSION}, node ${id} on ${broker}`;
        return [id, Object.assign(ownedControls(server), { chosen })];
      }),
    ),
    stop,
  };
}
