/** Lines of server.properties. */
export type KafkaProperties = Readonly<Record<string, string | number | boolean>>;

/** A way in beside the plain one, for what the plain one has not: TLS, SASL, another advertised name. */
export interface KafkaListener {
  /** In capitals, such as "SECURE"; not PLAINTEXT nor CONTROLLER, which every node has. */
  readonly name: string;
  readonly protocol: "PLAINTEXT" | "SSL" | "SASL_PLAINTEXT" | "SASL_SSL";
  /** How clients are told to call the broker; default "127.0.0.1". */
  readonly host?: string;
  /** Default any free one. */
  readonly port?: number;
  /** What clients are told instead, where something stands between them and the broker. */
  readonly clientPort?: number;
  /** Its own properties, without their prefix `listener.name.<name>.`. */
  readonly properties?: KafkaProperties;
}

export interface NodeProperties {
  readonly port: number;
  readonly controllerPort: number;
  readonly logs: string;
  readonly listeners?: readonly (KafkaListener & { readonly port: number })[];
  /** They win over ours. */
  readonly properties?: KafkaProperties;
}

/** One KRaft node, broker and controller in one, tuned so that tests need not wait for it. */
export function nodeProperties(node: NodeProperties): string {
  const { port, controllerPort, logs, listeners = [], properties = {} } = node;
  const joined = (parts: readonly string[], map: (listener: (typeof listeners)[number]) => string): string =>
    [...parts, ...listeners.map(map)].join(",");
  const settings: KafkaProperties = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    listeners: joined(
      [`PLAINTEXT://127.0.0.1:${port}`, `CONTROLLER://127.0.0.1:${controllerPort}`],
      (listener) => `${listener.name}://127.0.0.1:${listener.port}`,
    ),
    "advertised.listeners": joined(
      [`PLAINTEXT://127.0.0.1:${port}`],
      (listener) => `${listener.name}://${addressOf(listener)}`,
    ),
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": joined(
      ["CONTROLLER:PLAINTEXT", "PLAINTEXT:PLAINTEXT"],
      ({ name, protocol }) => `${name}:${protocol}`,
    ),
    "log.dirs": logs,
    "offsets.topic.num.partitions": 1,
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1_000,
    "auto.create.topics.enable": false,
    // A killed node that comes back is refused until the session of its former self has run out.
    "broker.session.timeout.ms": 2_000,
    "broker.heartbeat.interval.ms": 250,
    "controller.quorum.election.timeout.ms": 100,
    "controller.quorum.election.backoff.max.ms": 100,
    ...Object.assign({}, ...listeners.map(prefixed)),
    ...properties,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${escaped(String(value))}\n`)
    .join("");
}

/** Where clients find a listener: `host:port`. */
export function addressOf(listener: {
  readonly host?: string;
  readonly port: number;
  readonly clientPort?: number;
}): string {
  const { host = "127.0.0.1", port, clientPort = port } = listener;
  return `${host}:${clientPort}`;
}

function prefixed({ name, properties = {} }: KafkaListener): KafkaProperties {
  const prefix = `listener.name.${name.toLowerCase()}.`;
  return Object.fromEntries(Object.entries(properties).map(([key, value]) => [prefix + key, value]));
}

/** Certificates have lines, and a backslash begins an escape. */
function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

/** Warnings to standard output, which goes to the log file. */
export function logging(): string {
  return [
    "rootLogger.level = WARN",
    "rootLogger.appenderRef.stdout.ref = stdout",
    "appender.stdout.type = Console",
    "appender.stdout.name = stdout",
    "appender.stdout.layout.type = PatternLayout",
    "appender.stdout.layout.pattern = %d %p %c{1} %m%n",
    "",
  ].join("\n");
}
