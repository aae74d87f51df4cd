import { consumerError } from "./errors.ts";
import type { KafkaConnection } from "./kafka-types.ts";

/**
 * Of a client that others supervise: few quick retries inside, patience outside. kafkajs asks a coordinator whose broker is
 * gone until its retries are used up, and nothing is committed meanwhile: a new consumer finds the new coordinator sooner.
 */
export const clientRetry = { initialRetryTime: 300, maxRetryTime: 2_000, retries: 3, factor: 0.2, multiplier: 2 };

/** `host:port` of each broker, TLS and SASL as kafkajs takes them, with times that suit a network. */
export interface KafkaSettings {
  readonly brokers: string[];
  readonly clientId: string;
  readonly connectionTimeout: number;
  readonly requestTimeout: number;
  readonly ssl?: boolean | { ca?: string; cert?: string; key?: string; rejectUnauthorized?: boolean };
  readonly sasl?: Sasl<"plain"> | Sasl<"scram-sha-256"> | Sasl<"scram-sha-512">;
}

type Sasl<Mechanism extends string> = { mechanism: Mechanism; username: string; password: string };

/** @throws UnstaleError `UNSTALE_KAFKA_OPTIONS` with all problems at once; never names a secret. */
export function kafkaSettings(connection: KafkaConnection): KafkaSettings {
  const problems = [...brokerProblems(connection.brokers), ...saslProblems(connection.sasl)];
  if (problems.length > 0) {
    throw consumerError("UNSTALE_KAFKA_OPTIONS", problems.join("\n"), { details: { problems } });
  }
  const { brokers, clientId, ssl, sasl, connectTimeoutMs, requestTimeoutMs } = connection;
  return {
    brokers: [...brokers],
    clientId,
    connectionTimeout: connectTimeoutMs ?? 10_000,
    // Below the session timeout, so that a broker that hangs is noticed before the group has forgotten us. Joining waits longer.
    requestTimeout: requestTimeoutMs ?? 8_000,
    ...(ssl === undefined || ssl === false ? {} : { ssl: ssl === true ? true : defined(ssl) }),
    // Same shape for each mechanism; only the compiler wants to know which.
    ...(sasl === undefined ? {} : { sasl: { ...sasl } as Sasl<"plain"> }),
  };
}

function brokerProblems(brokers: readonly string[]): string[] {
  if (brokers.length === 0) return ["brokers: expected at least one host:port"];
  return brokers.flatMap((broker) => {
    const [, host, port] = /^([^:/\s]+):(\d{1,5})$/.exec(broker) ?? [];
    const usable = host !== undefined && Number(port) > 0 && Number(port) <= 65_535;
    return usable
      ? []
      : [`brokers: expected host:port such as "kafka.example.com:9092", got ${JSON.stringify(broker)}`];
  });
}

function saslProblems(sasl: KafkaConnection["sasl"]): string[] {
  if (sasl === undefined) return [];
  const known = ["plain", "scram-sha-256", "scram-sha-512"];
  const problems: string[] = [];
  if (!known.includes(sasl.mechanism)) {
    problems.push(`sasl mechanism: expected ${known.join(", ")}, got ${JSON.stringify(sasl.mechanism)}`);
  }
  if (sasl.username === "") problems.push("sasl username: expected a name, got empty text");
  if (sasl.password === "") problems.push("sasl password: expected one, got empty text");
  return problems;
}

function defined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
