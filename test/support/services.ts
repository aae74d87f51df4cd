// Real services for integration tests. One Valkey and one Kafka live for the whole run (started by services-setup.ts);
// what a test must not share (the Valkey key space, a paused or killed server) it starts for itself: `ownValkey()`.
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe } from "@jest/globals";
import {
  type KafkaHandle,
  type StartKafkaOptions,
  type StartValkeyClusterOptions,
  type StartValkeyOptions,
  startKafka,
  startValkey,
  startValkeyCluster,
  type ValkeyClusterHandle,
  type ValkeyHandle,
} from "../../dev/services/index.ts";
import { MISSING, type ServiceName } from "./services-variables.ts";

export { sharedKafkaBrokers, sharedValkeyUrl } from "./services-variables.ts";

/** `describe` where the named services are there; elsewhere the block is skipped, and loudly. In CI the run failed before. */
export function describeWith(services: readonly ServiceName[], title: string, body: () => void): void {
  const missing = services.filter((service) => process.env[MISSING[service]] !== undefined);
  if (missing.length === 0) {
    describe(title, body);
    return;
  }
  console.warn(`SKIPPED "${title}": no ${missing.join(" and no ")}. ${process.env[MISSING[missing[0] ?? "kafka"]]}`);
  describe.skip(title, body);
}

/** A Valkey for this test file alone, stopped after its last test; takes about 50 ms. */
export async function ownValkey(options: Omit<StartValkeyOptions, "fresh"> = {}): Promise<ValkeyHandle> {
  return stoppedAtEnd(await startValkey({ ...options, fresh: true }));
}

/** A Valkey Cluster for this test file alone: 3 primaries, each with a replica, in about 3 s. */
export async function ownValkeyCluster(options: StartValkeyClusterOptions = {}): Promise<ValkeyClusterHandle> {
  return stoppedAtEnd(await startValkeyCluster(options));
}

/** A Kafka for this test file alone, for tests that pause, kill or restart it; takes a few seconds. */
export async function ownKafka(options: Omit<StartKafkaOptions, "fresh"> = {}): Promise<KafkaHandle> {
  return stoppedAtEnd(await startKafka({ ...options, fresh: true }));
}

/** A folder for the files of this test file, gone after its last test. */
export async function ownFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "unstale-test-"));
  toStop.push({ stop: () => rm(folder, { recursive: true, force: true }) });
  return folder;
}

/** For topics and groups on the shared Kafka: readable, and never met before. */
export function uniqueName(name: string): string {
  return `${name}-${randomUUID().slice(0, 8)}`;
}

const toStop: { stop(): Promise<void> }[] = [];

function stoppedAtEnd<T extends { stop(): Promise<void> }>(handle: T): T {
  toStop.push(handle);
  return handle;
}

afterAll(() => Promise.all(toStop.splice(0).map((handle) => handle.stop())));
