import {
  type CacheStore,
  createMemoryStore,
  createValkeyStore,
  requireReplicas,
  type ValkeyTarget,
} from "@unstale/cache-core";
import type { Config, Secret } from "../config/index.ts";
import {
  type ChangeSource,
  createEmbeddedSource,
  createKafkaSource,
  createSubscriptions,
  type KafkaConnection,
  type Subscriptions,
} from "../consumers/index.ts";
import { type ConnectionProblem, createConnectionProblem } from "./connection-problem.ts";
import { layoutOf } from "./layout.ts";
import type { Logger } from "./logger.ts";

export interface OpenedStore {
  readonly store: CacheStore;
  /** Why it cannot be reached, where that is known. */
  readonly problem: ConnectionProblem;
}

const replicaTimeoutMs = 1_000;

/** From settings to what talks to the outside. The only place where secrets are revealed. */
export function openStore(config: Config): OpenedStore {
  const { layout, foreignWriters } = layoutOf(config);
  const { maxTtlMs, maxFences } = config;
  const shape = { layout, policy: { foreignWriters, maxTtlMs, maxFences } };
  const problem = createConnectionProblem();
  if (config.embedded) return { store: createMemoryStore(shape), problem };
  const onError = (error: Error): void => problem.note(error);
  const store = createValkeyStore({ ...shape, valkey: valkeyTarget(config), onError });
  const { valkeyReplicaAcks: replicas } = config;
  return { store: replicas === 0 ? store : requireReplicas(store, { replicas, timeoutMs: replicaTimeoutMs }), problem };
}

type TargetSettings = Pick<
  Config,
  | "valkeyUrl"
  | "valkeyCluster"
  | "valkeyUsername"
  | "valkeyPassword"
  | "valkeyTlsCa"
  | "valkeySentinels"
  | "valkeySentinelName"
>;

/** The URL with user and password in it, or options where a certificate authority, Sentinels or a cluster are given. */
export function valkeyTarget(config: TargetSettings): ValkeyTarget {
  const [first = "", ...others] = config.valkeyUrl.reveal().split(",");
  const url = new URL(first);
  if (config.valkeyUsername !== undefined) url.username = encodeURIComponent(config.valkeyUsername);
  if (config.valkeyPassword !== undefined) url.password = encodeURIComponent(config.valkeyPassword.reveal());
  const { valkeyTlsCa: ca, valkeySentinels: sentinels } = config;
  if (config.valkeyCluster || others.length > 0) {
    return { cluster: [url.href, ...others], ...(ca === undefined ? {} : { redisOptions: { tls: { ca } } }) };
  }
  return ca === undefined && sentinels === undefined ? url.href : optionsOf(url, config);
}

function optionsOf(url: URL, config: TargetSettings): ValkeyTarget {
  const { valkeyTlsCa: ca, valkeySentinels: sentinels, valkeySentinelName: name } = config;
  const database = Number(url.pathname.slice(1));
  const isTls = ca !== undefined || /^(rediss|valkeys):$/.test(url.protocol);
  return {
    ...(sentinels === undefined
      ? { host: url.hostname.replace(/^\[|\]$/g, ""), port: url.port === "" ? 6_379 : Number(url.port) }
      : { sentinels: sentinels.map(addressOf), name }),
    ...(url.username === "" ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
    ...(Number.isInteger(database) ? { db: database } : {}),
    ...(isTls ? { tls: ca === undefined ? {} : { ca } } : {}),
  };
}

function addressOf(text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(":");
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
}

export function kafkaConnection(config: Config): KafkaConnection {
  const { kafkaSslCa: ca, kafkaSslCert: cert, kafkaSslKey, kafkaSaslMechanism: mechanism } = config;
  const key = revealed(kafkaSslKey);
  const authorities = ca === undefined && cert === undefined && key === undefined ? true : { ca, cert, key };
  const username = config.kafkaSaslUsername;
  const password = revealed(config.kafkaSaslPassword);
  const login = mechanism !== undefined && username !== undefined && password !== undefined;
  return {
    brokers: config.kafkaBrokers,
    clientId: config.kafkaClientId,
    ...(config.kafkaSsl ? { ssl: authorities } : {}),
    ...(login ? { sasl: { mechanism, username, password } } : {}),
  };
}

export function subscriptionsOf(config: Pick<Config, "kafkaTopics">): Subscriptions {
  return createSubscriptions(
    config.kafkaTopics.map(({ name, format, id, wide }) => ({ topic: name, format, id, wide })),
  );
}

/** `deploymentId` goes with every commit, so that two deployments in one group can be told apart. */
export function openSource(config: Config, { log, deploymentId }: { log: Logger; deploymentId: string }): ChangeSource {
  const subscriptions = subscriptionsOf(config);
  if (config.embedded) return openEmbeddedSource(config, { log, subscriptions });
  return createKafkaSource({
    connection: kafkaConnection(config),
    groupId: config.kafkaGroupId,
    subscriptions,
    owner: deploymentId,
    tuning: {
      maxSliceChanges: config.sliceSize,
      maxSliceRecords: 2 * config.sliceSize,
      sliceTimeoutMs: config.sliceTimeoutMs,
    },
    consumerTuning: {
      sessionTimeoutMs: config.kafkaSessionTimeoutMs,
      heartbeatIntervalMs: config.kafkaHeartbeatIntervalMs,
      rebalanceTimeoutMs: config.kafkaRebalanceTimeoutMs,
    },
    log,
  });
}

function openEmbeddedSource(
  { embeddedHost: host, embeddedPort: port }: Config,
  { log, subscriptions }: { readonly log: Logger; readonly subscriptions: Subscriptions },
): ChangeSource {
  const source = createEmbeddedSource({ subscriptions, host, port, log });
  return {
    start: async (handlers) => {
      await source.start(handlers);
      log.info({ url: source.url }, `taking events at ${source.url}`);
    },
    stop: (options) => source.stop(options),
    seek: (target) => source.seek(target),
    owned: () => source.owned(),
    lag: () => source.lag(),
    ends: () => source.ends(),
  };
}

function revealed(secret: Secret | undefined): string | undefined {
  return secret?.reveal();
}
