import {
  boolean,
  choice,
  duration,
  hostAndPort,
  integer,
  list,
  pem,
  type SettingType,
  secretPem,
  secretText,
  secretUrls,
  text,
} from "./setting-types.ts";
import { topics } from "./topics.ts";

/** One row of the table: everything that is known about a setting. */
export interface Setting<T> {
  /** Environment variable. */
  readonly env: string;
  /** Place in unstale.yaml, and name for `--set`. */
  readonly path: string;
  readonly type: SettingType<T>;
  /** As somebody would write it; absent where nothing is assumed. */
  readonly default?: unknown;
  /** One line. */
  readonly doc: string;
  /** Never shown. */
  readonly secret: boolean;
  /** May be given as the name of a file: `<env>_FILE`, `<path>File`. */
  readonly fromFile: boolean;
}

type Row<T> = Pick<Setting<T>, "env" | "path" | "type" | "doc"> & {
  readonly secret?: boolean;
  readonly fromFile?: boolean;
};

function setting<T>(row: Row<T> & { readonly default: unknown }): Setting<T> {
  return { secret: false, fromFile: row.secret ?? false, ...row };
}

function optional<T>(row: Row<T>): Setting<T | undefined> {
  return { secret: false, fromFile: row.secret ?? false, ...row };
}

const prefix = text({
  expected: "text that ends in a colon, without glob characters and braces",
  pattern: /^[^*?[\]{}\\\s]+:$/,
});
const host = text({ expected: "a host name or address", pattern: /^[A-Za-z0-9_.:%-]+$/ });

/**
 * Every setting there is. docs/configuration.md is generated from this table. Durations are text with a unit outside and
 * milliseconds inside (hence the names in `Ms`).
 */
export const settings = {
  embedded: setting({
    env: "UNSTALE_EMBEDDED",
    path: "embedded",
    type: boolean,
    default: false,
    doc: "Without Kafka and Valkey: events over HTTP, the cache in memory. For trying things out; nothing survives a restart.",
  }),
  embeddedHost: setting({
    env: "UNSTALE_EMBEDDED_HOST",
    path: "embeddedHost",
    type: host,
    default: "127.0.0.1",
    doc: "Where the embedded source listens for events.",
  }),
  embeddedPort: setting({
    env: "UNSTALE_EMBEDDED_PORT",
    path: "embeddedPort",
    type: integer({ min: 0, max: 65_535 }),
    default: 8086,
    doc: "Port of the embedded source; 0 takes any free one and logs it.",
  }),

  kafkaBrokers: setting({
    env: "UNSTALE_KAFKA_BROKERS",
    path: "kafka.brokers",
    type: list(hostAndPort, 'one or more host:port, such as "kafka-1:9092,kafka-2:9092", each once'),
    default: "127.0.0.1:9092",
    doc: "Brokers to begin with; the others are learnt from them.",
  }),
  kafkaTopics: setting({
    env: "UNSTALE_KAFKA_TOPICS",
    path: "kafka.topics",
    type: topics,
    default: "cms.documents",
    doc: "Topics that change events are read from. Options of a topic need unstale.yaml, or a JSON list here.",
  }),
  kafkaGroupId: setting({
    env: "UNSTALE_KAFKA_GROUP_ID",
    path: "kafka.groupId",
    type: text({
      expected: "1 to 249 letters, digits, dots, dashes, underscores or colons",
      pattern: /^[A-Za-z0-9._:-]{1,249}$/,
    }),
    default: "unstale",
    doc: "Consumer group. All workers of one deployment share it; two deployments must not.",
  }),
  kafkaClientId: setting({
    env: "UNSTALE_KAFKA_CLIENT_ID",
    path: "kafka.clientId",
    type: text({ expected: "1 to 249 printable characters", pattern: /^[\x21-\x7e]{1,249}$/ }),
    default: "unstale",
    doc: "How this worker is called in the brokers' logs and quotas.",
  }),
  kafkaSsl: setting({
    env: "UNSTALE_KAFKA_SSL",
    path: "kafka.ssl.enabled",
    type: boolean,
    default: false,
    doc: "TLS to the brokers.",
  }),
  kafkaSslCa: optional({
    env: "UNSTALE_KAFKA_SSL_CA",
    path: "kafka.ssl.ca",
    type: pem,
    fromFile: true,
    doc: "Certificate authority of the brokers, where it is not a public one.",
  }),
  kafkaSslCert: optional({
    env: "UNSTALE_KAFKA_SSL_CERT",
    path: "kafka.ssl.cert",
    type: pem,
    fromFile: true,
    doc: "Client certificate.",
  }),
  kafkaSslKey: optional({
    env: "UNSTALE_KAFKA_SSL_KEY",
    path: "kafka.ssl.key",
    type: secretPem,
    secret: true,
    doc: "Private key of the client certificate.",
  }),
  kafkaSaslMechanism: optional({
    env: "UNSTALE_KAFKA_SASL_MECHANISM",
    path: "kafka.sasl.mechanism",
    type: choice(["plain", "scram-sha-256", "scram-sha-512"], {
      plaintext: "plain",
      scram_sha256: "scram-sha-256",
      scram_sha512: "scram-sha-512",
      "scram-sha256": "scram-sha-256",
      "scram-sha512": "scram-sha-512",
    }),
    doc: "How to log in to the brokers; absent: not at all.",
  }),
  kafkaSaslUsername: optional({
    env: "UNSTALE_KAFKA_SASL_USERNAME",
    path: "kafka.sasl.username",
    type: text({ expected: "non-empty text" }),
    doc: "User name for the brokers.",
  }),
  kafkaSaslPassword: optional({
    env: "UNSTALE_KAFKA_SASL_PASSWORD",
    path: "kafka.sasl.password",
    type: secretText,
    secret: true,
    doc: "Password for the brokers.",
  }),
  kafkaSessionTimeoutMs: setting({
    env: "UNSTALE_KAFKA_SESSION_TIMEOUT",
    path: "kafka.sessionTimeout",
    type: duration({ min: "1s", max: "30m" }),
    default: "12s",
    doc: "The group takes a silent worker for dead after this time; its partitions wait for as long. Brokers accept 6s to 30m unless they are set up otherwise.",
  }),
  kafkaHeartbeatIntervalMs: setting({
    env: "UNSTALE_KAFKA_HEARTBEAT_INTERVAL",
    path: "kafka.heartbeatInterval",
    type: duration({ min: "100ms", max: "10m" }),
    default: "3s",
    doc: "How often the group hears from this worker. At most a third of the session timeout.",
  }),
  kafkaRebalanceTimeoutMs: setting({
    env: "UNSTALE_KAFKA_REBALANCE_TIMEOUT",
    path: "kafka.rebalanceTimeout",
    type: duration({ min: "1s", max: "30m" }),
    default: "60s",
    doc: "How long the group waits for its members when partitions are handed out anew.",
  }),
  sliceSize: setting({
    env: "UNSTALE_SLICE_SIZE",
    path: "kafka.sliceSize",
    type: integer({ min: 1, max: 5_000 }),
    default: 500,
    doc: "Most changes of a partition that are worked on together. They go to Valkey in as many steps as their entries need.",
  }),
  sliceTimeoutMs: setting({
    env: "UNSTALE_SLICE_TIMEOUT",
    path: "kafka.sliceTimeout",
    type: duration({ min: "100ms", max: "10m" }),
    default: "10s",
    doc: "A slice that took longer is given up and delivered again. At most half the rebalance timeout.",
  }),

  valkeyUrl: setting({
    env: "UNSTALE_VALKEY_URL",
    path: "valkey.url",
    type: secretUrls(["redis:", "rediss:", "valkey:", "valkeys:"]),
    default: "redis://127.0.0.1:6379",
    secret: true,
    doc: "Where the cache is; `rediss://` is TLS. A user, a password and a database number may stand in it. Several addresses, separated by commas (`redis://a:6379,b:6379`), are nodes of a Valkey Cluster; the others are learnt from them.",
  }),
  valkeyCluster: setting({
    env: "UNSTALE_VALKEY_CLUSTER",
    path: "valkey.cluster",
    type: boolean,
    default: false,
    doc: "The cache is a Valkey Cluster, though only one address is given (a configuration endpoint).",
  }),
  valkeyBuckets: optional({
    env: "UNSTALE_VALKEY_BUCKETS",
    path: "valkey.buckets",
    type: integer({ min: 1, max: 16_384 }),
    doc: "Buckets that entries are dealt into, each in one slot of a cluster: 16 in a cluster, else 1. An event costs one call for each. Producers must use the same; see [changing it](cluster.md#changing-the-number-of-buckets).",
  }),
  valkeySentinels: optional({
    env: "UNSTALE_VALKEY_SENTINELS",
    path: "valkey.sentinels",
    type: list(hostAndPort, 'one or more host:port, such as "sentinel-1:26379,sentinel-2:26379", each once'),
    doc: "Sentinels that know where the primary is, now and after a failover. Host and port of the URL mean nothing then; its TLS, login and database do.",
  }),
  valkeySentinelName: setting({
    env: "UNSTALE_VALKEY_SENTINEL_NAME",
    path: "valkey.sentinelName",
    type: text({
      expected: "1 to 100 letters, digits, dots, dashes or underscores",
      pattern: /^[A-Za-z0-9._-]{1,100}$/,
    }),
    default: "mymaster",
    doc: "What the Sentinels call the primary.",
  }),
  valkeyUsername: optional({
    env: "UNSTALE_VALKEY_USERNAME",
    path: "valkey.username",
    type: text({ expected: "non-empty text" }),
    doc: "User name for Valkey, where it does not stand in the URL.",
  }),
  valkeyPassword: optional({
    env: "UNSTALE_VALKEY_PASSWORD",
    path: "valkey.password",
    type: secretText,
    secret: true,
    doc: "Password for Valkey, where it does not stand in the URL.",
  }),
  valkeyTlsCa: optional({
    env: "UNSTALE_VALKEY_TLS_CA",
    path: "valkey.tlsCa",
    type: pem,
    fromFile: true,
    doc: "Certificate authority of the Valkey server, where it is not a public one.",
  }),
  valkeyHeartbeatIntervalMs: setting({
    env: "UNSTALE_VALKEY_HEARTBEAT_INTERVAL",
    path: "valkey.heartbeatInterval",
    type: duration({ min: "100ms", max: "10s" }),
    default: "1s",
    doc: "How often the worker looks whether Valkey fell back (failover, restore). Verified reads may be stale for as long after a failover.",
  }),

  valkeyReplicaAcks: setting({
    env: "UNSTALE_VALKEY_REPLICA_ACKS",
    path: "valkey.replicaAcks",
    type: integer({ min: 0, max: 16 }),
    default: 0,
    doc: "How many replicas must have an invalidation before it is acknowledged (of each primary, in a cluster): a failover to one of them loses nothing. With fewer within 1 s the partition pauses and tries again.",
  }),
  freshnessIntervalMs: setting({
    env: "UNSTALE_FRESHNESS_INTERVAL",
    path: "cache.freshnessInterval",
    type: duration({ min: "100ms", max: "1m" }),
    default: "500ms",
    doc: "How often the workers confirm that nothing in the log is missing in the cache. Reads with `maxStaleness` stand on it: a bound of less than twice this, and of less than the usual lag, is mostly a miss.",
  }),
  entryPrefix: setting({
    env: "UNSTALE_ENTRY_PREFIX",
    path: "cache.entryPrefix",
    type: prefix,
    default: "cache:",
    doc: "Prefix of entries. Keys outside it are never deleted. Producers must use the same.",
  }),
  dependencyPrefixes: setting({
    env: "UNSTALE_DEPENDENCY_PREFIXES",
    path: "cache.dependencyPrefixes",
    type: list(prefix, 'one or more prefixes that end in a colon, such as "doc_deps:,deps:", each once'),
    default: "doc_deps:,deps:",
    doc: "Prefixes of dependency sets: the first is ours, the others are invalidated as well. Producers must use the same.",
  }),
  foreignWriters: optional({
    env: "UNSTALE_FOREIGN_WRITERS",
    path: "cache.foreignWriters",
    type: boolean,
    doc: "Whether programs without leases write the plain schema into the same keys: true with one bucket, and impossible with several. Producers must say the same.",
  }),
  maxTtlMs: setting({
    env: "UNSTALE_MAX_TTL",
    path: "cache.maxTtl",
    type: duration({ min: "1s", max: "365d" }),
    default: "7d",
    doc: "Longest time that an entry may live; fences are kept for as long.",
  }),
  maxFences: setting({
    env: "UNSTALE_MAX_FENCES",
    path: "cache.maxFences",
    type: integer({ min: 1_000, max: 100_000_000 }),
    default: 1_000_000,
    doc: "Most changed documents that are remembered (about 130 bytes each). Writes on leases older than the forgotten ones are refused.",
  }),

  httpHost: setting({
    env: "UNSTALE_HTTP_HOST",
    path: "http.host",
    type: host,
    default: "127.0.0.1",
    doc: "Where /livez, /readyz and /metrics are served.",
  }),
  httpPort: setting({
    env: "UNSTALE_HTTP_PORT",
    path: "http.port",
    type: integer({ min: 0, max: 65_535 }),
    default: 8085,
    doc: "Port of the same; 0 takes any free one and logs it.",
  }),
  readyMaxLag: setting({
    env: "UNSTALE_READY_MAX_LAG",
    path: "http.readyMaxLag",
    type: integer({ min: 1, max: 1_000_000_000 }),
    default: 100_000,
    doc: "A worker is not ready while one of its partitions has more records than this to catch up on. It goes on all the same.",
  }),
  drainTimeoutMs: setting({
    env: "UNSTALE_DRAIN_TIMEOUT",
    path: "drainTimeout",
    type: duration({ min: "0s", max: "10m" }),
    default: "10s",
    doc: "How long a stop waits for work under way. The process ends at most 5 s later; give its supervisor more than that.",
  }),
  logLevel: setting({
    env: "UNSTALE_LOG_LEVEL",
    path: "log.level",
    type: choice(["trace", "debug", "info", "warn", "error", "fatal", "silent"]),
    default: "info",
    doc: "Least important log lines that are written.",
  }),
  logFormat: setting({
    env: "UNSTALE_LOG_FORMAT",
    path: "log.format",
    type: choice(["auto", "json", "pretty"]),
    default: "auto",
    doc: "`json` is one object for each line; `auto` is `pretty` on a terminal and `json` elsewhere.",
  }),
} as const satisfies Record<string, Setting<unknown>>;

export type SettingKey = keyof typeof settings;

/** The effective settings: complete, checked, frozen. Secrets are {@link Secret}s; durations are milliseconds. */
export type Config = {
  readonly [Key in SettingKey]: (typeof settings)[Key] extends Setting<infer Value> ? Value : never;
};
