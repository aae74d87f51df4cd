import { findDocker } from "./docker.ts";
import { startContainer } from "./docker-container.ts";
import { isPortTaken } from "./docker-valkey.ts";
import type { KafkaHandle } from "./kafka.ts";
import { type KafkaProperties, nodeProperties } from "./kafka-config.ts";
import type { KafkaSetup } from "./kafka-node.ts";
import { identifyKafka } from "./kafka-probe.ts";
import { Declined } from "./ladder.ts";
import { freePort } from "./ports.ts";
import type { Progress } from "./progress.ts";

export const KAFKA_IMAGE = "apache/kafka:4.4.0";

const PORT_TRIES = 3;

export async function kafkaFromDocker(
  env: NodeJS.ProcessEnv,
  { properties, listeners }: KafkaSetup,
  progress: Progress,
): Promise<KafkaHandle | Declined> {
  if (listeners !== undefined) return new Declined("listeners of its own need a local process");
  const docker = await findDocker(KAFKA_IMAGE, env, progress);
  if (docker instanceof Declined) return docker;
  progress("Kafka: starting in Docker …", { transient: true });
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const broker = `${docker.host}:${port}`;
    try {
      const controls = await startContainer({
        docker,
        name: "Kafka",
        image: KAFKA_IMAGE,
        command: ["/etc/kafka/docker/run"],
        environment: kafkaEnvironment({ port, host: docker.host, own: properties ?? {} }),
        port,
        probe: () => identifyKafka([broker]),
        startTimeoutMs: 90_000,
      });
      const chosen = `Kafka in Docker from ${KAFKA_IMAGE}, started on ${broker}`;
      return Object.assign(controls, { brokers: [broker], listeners: {}, chosen });
    } catch (error) {
      if (attempt === PORT_TRIES || !isPortTaken(error)) throw error;
    }
  }
}

interface ContainerProperties {
  readonly port: number;
  readonly host: string;
  readonly own: KafkaProperties;
}

/** The properties of a local node, in the image's spelling, and listening on all addresses of the container. */
function kafkaEnvironment({ port, host, own }: ContainerProperties): Record<string, string> {
  const controllerPort = port === 9_093 ? 9_094 : 9_093;
  const text = nodeProperties({ port, controllerPort, logs: "/tmp/kraft-logs", properties: own });
  const properties = new Map(text.split("\n").flatMap((line) => (line === "" ? [] : [splitOnce(line)])));
  // Clients come from outside and are sent back there; nobody but the broker itself uses its address inside.
  properties.set("listeners", `PLAINTEXT://:${port},CONTROLLER://:${controllerPort}`);
  properties.set("advertised.listeners", `PLAINTEXT://${host}:${port}`);
  return Object.fromEntries(
    [...properties].map(([name, value]) => [`KAFKA_${name.replaceAll(".", "_").toUpperCase()}`, value]),
  );
}

function splitOnce(line: string): [string, string] {
  const at = line.indexOf("=");
  return [line.slice(0, at), line.slice(at + 1)];
}
