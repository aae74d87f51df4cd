export interface NodeProperties {
  readonly port: number;
  readonly controllerPort: number;
  readonly logs: string;
}

/** One KRaft node, broker and controller in one, tuned so that tests need not wait for it. */
export function nodeProperties({ port, controllerPort, logs }: NodeProperties): string {
  const settings: Record<string, string | number | boolean> = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${port}`,
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
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
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
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
