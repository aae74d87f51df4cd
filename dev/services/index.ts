/**
 * Finds or starts Valkey and Kafka for the demo, the tests, the storms and the benches; never shipped. The ladder, first
 * rung that holds: addresses in the environment, Docker, local processes (from PATH, or fetched into a cache folder).
 */
export type { ServiceHandle } from "./handle.ts";
export { type KafkaHandle, type StartKafkaOptions, startKafka } from "./kafka.ts";
export { type KafkaClusterHandle, type StartKafkaClusterOptions, startKafkaCluster } from "./kafka-cluster.ts";
export type { KafkaListener, KafkaProperties } from "./kafka-config.ts";
export { deleteScramUser, type ScramUser, setScramUsers } from "./kafka-users.ts";
export { ServiceUnavailableError } from "./ladder.ts";
export { type Progress, silent, terminalProgress } from "./progress.ts";
export { type StartValkeyOptions, startValkey, startValkeyReplica, type ValkeyHandle } from "./valkey.ts";
export {
  type ClusterNode,
  type SlotMove,
  type StartValkeyClusterOptions,
  startValkeyCluster,
  type ValkeyClusterHandle,
} from "./valkey-cluster.ts";
export { type SentinelHandle, type StartSentinelOptions, startSentinel } from "./valkey-sentinel.ts";
