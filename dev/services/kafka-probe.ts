import { Kafka, logLevel } from "kafkajs";

/** Rejects unless a metadata request succeeds and names a broker: an open port alone is not a ready Kafka. */
export async function identifyKafka(brokers: readonly string[], timeoutMs = 3_000): Promise<{ brokerCount: number }> {
  const kafka = new Kafka({
    clientId: "unstale-probe",
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    connectionTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    retry: { retries: 0 },
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    if (cluster.brokers.length === 0) throw new Error("its metadata names no broker");
    return { brokerCount: cluster.brokers.length };
  } finally {
    await admin.disconnect().catch(() => {});
  }
}
