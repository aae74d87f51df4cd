import { kafkaFromDocker } from "./docker-kafka.ts";
import { borrowedControls, ownedControls, type ServiceHandle } from "./handle.ts";
import { classArchive } from "./kafka-classes.ts";
import { findKafkaInstall, KAFKA_VERSION } from "./kafka-install.ts";
import { type KafkaSetup, startKafkaNode } from "./kafka-node.ts";
import { identifyKafka } from "./kafka-probe.ts";
import { climb, Declined, type Rung, ServiceUnavailableError } from "./ladder.ts";
import { type Progress, silent } from "./progress.ts";

export interface KafkaHandle extends ServiceHandle {
  readonly brokers: readonly string[];
  /** `host:port` of the listeners that were asked for, by name. */
  readonly listeners: Readonly<Record<string, string>>;
}

export interface StartKafkaOptions extends KafkaSetup {
  readonly progress?: Progress;
  /** A broker of our own, whatever the environment offers. Follows from properties and listeners. */
  readonly fresh?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

const VARIABLES = ["UNSTALE_KAFKA_BROKERS", "KAFKA_BROKERS"] as const;

export async function startKafka({
  progress = silent,
  env = process.env,
  fresh,
  ...setup
}: StartKafkaOptions = {}): Promise<KafkaHandle> {
  const own = fresh ?? Object.values(setup).some((part) => part !== undefined);
  const rungs: Rung<KafkaHandle>[] = [
    { name: "environment", take: () => fromEnvironment(env, own) },
    { name: "Docker", take: () => kafkaFromDocker(env, setup, progress) },
    { name: "local process", take: () => fromLocalProcess(env, setup, progress) },
  ];
  const advice =
    "Give an address instead: UNSTALE_KAFKA_BROKERS=host:9092" +
    (own ? " does not help here, as a broker of its own is needed; install Java 17 and Maven." : "");
  return climb({ service: "Kafka", rungs, progress, advice });
}

async function fromEnvironment(env: NodeJS.ProcessEnv, fresh: boolean): Promise<KafkaHandle | Declined> {
  if (fresh) return new Declined("a broker of its own was asked for");
  const variable = VARIABLES.find((name) => env[name]);
  const list = variable && env[variable];
  if (!variable || !list) return new Declined(`${VARIABLES.join(" and ")} are not set`);
  const brokers = list.split(",").map((broker) => broker.trim());
  const malformed = brokers.find((broker) => !/^(\[[^\]]+\]|[^:\s/]+):\d+$/.test(broker));
  if (malformed !== undefined) {
    throw new ServiceUnavailableError(`Expected ${variable} to be like host:9092,host:9093, got "${malformed}" in it.`);
  }
  const { brokerCount } = await identifyKafka(brokers).catch((error: Error) => {
    throw new ServiceUnavailableError(
      `Expected Kafka at ${list} (${variable}) to answer a metadata request: ${error.message}. Start it, correct the ` +
        `address, or unset ${variable} to have a local one started.`,
    );
  });
  const count = brokerCount === 1 ? "one broker" : `${brokerCount} brokers`;
  return {
    ...borrowedControls(variable),
    brokers,
    listeners: {},
    chosen: `Kafka (${count}) at ${list}, given by ${variable}`,
  };
}

async function fromLocalProcess(
  env: NodeJS.ProcessEnv,
  setup: KafkaSetup,
  progress: Progress,
): Promise<KafkaHandle | Declined> {
  const install = await findKafkaInstall(env, progress);
  if (install instanceof Declined) return install;
  const archive = await classArchive({ install, env, progress });
  progress("Kafka: starting …", { transient: true });
  const { server, broker, listeners } = await startKafkaNode({ ...setup, install, jvm: archive });
  const chosen = `Kafka ${KAFKA_VERSION} from Maven in ${install.folder}, started on ${broker}`;
  return Object.assign(ownedControls(server), { brokers: [broker], listeners, chosen });
}
