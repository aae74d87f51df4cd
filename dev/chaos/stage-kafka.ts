import { dirname, join } from "node:path";
import { type KafkaClusterHandle, type KafkaHandle, type ServiceHandle, startKafka } from "../services/index.ts";
import { freePort } from "../services/ports.ts";
import { FaultyNetwork } from "./faulty-network.ts";
import type { StageOptions } from "./stage-options.ts";

/** Services that rows share as long as they do them no harm. */
export interface SharedServices {
  kafka(): Promise<KafkaHandle>;
  cluster(): Promise<KafkaClusterHandle>;
}

/** Kafka, as a row has it. */
export interface StageKafka {
  readonly brokers: readonly string[];
  /** Where workers find it: behind the network, where there is one. */
  readonly workerBrokers: readonly string[];
  /** By node id; a lonely broker is node 1. */
  readonly nodes: ReadonlyMap<number, ServiceHandle>;
  /** Between Kafka and the workers, where the row asked for it. */
  readonly network: FaultyNetwork | undefined;
  /** Where a broker of a local process keeps its logs. */
  readonly logFolder: string | undefined;
  /** Ends what is the row's own. */
  close(): Promise<void>;
}

export async function openKafka(kind: StageOptions["kafka"], shared: SharedServices): Promise<StageKafka> {
  if (kind === "cluster") return openCluster(shared);
  if (kind === "proxied") return openProxied();
  const kafka = kind === "own" ? await startKafka({ fresh: true }) : await shared.kafka();
  return lonely(kafka, { close: async () => void (kind === "own" && (await kafka.stop())) });
}

let clusterTurn: Promise<void> = Promise.resolve();

/** One row at a time: two that harm a broker each would leave no majority. */
async function openCluster(shared: SharedServices): Promise<StageKafka> {
  const before = clusterTurn;
  let pass: () => void = () => {};
  clusterTurn = new Promise((resolve) => {
    pass = resolve;
  });
  await before;
  const { brokers, nodes } = await shared.cluster();
  // As whole for the next row as it was for this one, even when this one failed.
  const close = async (): Promise<void> => {
    for (const node of nodes.values()) {
      if (node.pid === undefined) await node.restart();
      else node.resume();
    }
    pass();
  };
  return { brokers, workerBrokers: brokers, nodes, network: undefined, logFolder: undefined, close };
}

/** A broker that tells its clients to call the proxy. */
async function openProxied(): Promise<StageKafka> {
  const port = await freePort();
  const network = new FaultyNetwork({ host: "127.0.0.1", port });
  const clientPort = await network.listen();
  const listener = { name: "FAULTY", protocol: "PLAINTEXT", port, clientPort } as const;
  const kafka = await startKafka({ fresh: true, listeners: [listener] }).catch(async (error: unknown) => {
    await network.close();
    throw error;
  });
  const close = async (): Promise<void> => void (await Promise.all([network.close(), kafka.stop()]));
  return { ...lonely(kafka, { close }), workerBrokers: [`127.0.0.1:${clientPort}`], network };
}

function lonely(kafka: KafkaHandle, { close }: Pick<StageKafka, "close">): StageKafka {
  const { brokers, logFile } = kafka;
  const logFolder = logFile === undefined ? undefined : join(dirname(logFile), "logs");
  return { brokers, workerBrokers: brokers, nodes: new Map([[1, kafka]]), network: undefined, logFolder, close };
}
