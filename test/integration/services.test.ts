import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { Kafka, type KafkaConfig, logLevel, type SASLOptions } from "kafkajs";
import {
  deleteScramUser,
  setScramUsers,
  startKafka,
  startValkey,
  startValkeyReplica,
  type ValkeyHandle,
} from "../../dev/services/index.ts";
import { identifyKafka } from "../../dev/services/kafka-probe.ts";
import { askValkey, identifyValkey, parseValkeyUrl } from "../../dev/services/valkey-probe.ts";
import { loginProperties } from "../support/secure-kafka.ts";
import {
  describeWith,
  ownKafka,
  ownValkey,
  sharedKafkaBrokers,
  sharedValkeyUrl,
  uniqueName,
} from "../support/services.ts";

const ask = (valkey: ValkeyHandle, ...commands: string[][]) => askValkey(parseValkeyUrl(valkey.url), commands, 500);

describeWith(["valkey"], "a Valkey of our own", () => {
  test("takes lines of configuration", async () => {
    const valkey = await ownValkey({ config: ["maxmemory 8mb", "maxmemory-policy allkeys-lru"] });
    const [memory] = await ask(valkey, ["INFO", "memory"]);
    expect(memory).toMatch(/^maxmemory:8388608\r$/m);
    expect(memory).toMatch(/^maxmemory_policy:allkeys-lru\r$/m);
  });

  test("with a password gives it in its URL", async () => {
    const valkey = await ownValkey({ config: ["requirepass s3cret"] });
    expect(await ask(valkey, ["PING"]).catch((error: Error) => error.message)).toMatch(/NOAUTH/);
    await expect(identifyValkey(parseValkeyUrl(valkey.url))).resolves.toMatchObject({ product: expect.any(String) });
  });

  test("answers nothing while paused, and goes on afterwards", async () => {
    const valkey = await ownValkey();
    valkey.pause();
    await expect(ask(valkey, ["PING"])).rejects.toThrow(/no answer/);
    valkey.resume();
    await expect(ask(valkey, ["PING"])).resolves.toEqual(["PONG"]);
  });

  test("comes back after a kill on the same port with the same data", async () => {
    const valkey = await ownValkey({ config: ["appendonly yes", "appendfsync always"] });
    const { pid } = valkey;
    await ask(valkey, ["SET", "k", "v"]);
    await valkey.kill();
    expect(valkey.pid).toBeUndefined();
    await expect(ask(valkey, ["PING"])).rejects.toThrow(/ECONNREFUSED/);
    await valkey.restart();
    expect(valkey.pid).not.toBe(pid);
    await expect(ask(valkey, ["GET", "k"])).resolves.toEqual(["v"]);
  });

  test("leaves nothing behind when stopped, even while paused", async () => {
    const valkey = await startValkey({ fresh: true });
    const { pid, logFile } = valkey;
    valkey.pause();
    await Promise.all([valkey.stop(), valkey.stop()]);
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(dirname(logFile ?? ""))).toBe(false);
    await expect(valkey.restart()).rejects.toThrow(/stopped/);
  });

  test("can have a replica", async () => {
    const primary = await ownValkey();
    const replica = await startValkeyReplica(primary);
    try {
      await ask(primary, ["SET", "k", "v"]);
      await waitFor(async () => (await ask(replica, ["INFO", "replication"]))[0]?.includes("master_link_status:up"));
      await expect(ask(replica, ["SET", "k", "w"])).rejects.toThrow(/READONLY/);
      await waitFor(async () => (await ask(replica, ["GET", "k"]))[0] === "v");
    } finally {
      await replica.stop();
    }
  });

  test("says what the server said when it does not start", async () => {
    await expect(startValkey({ config: ["no-such-setting 1"] })).rejects.toThrow(/exit code 1.*no-such-setting/s);
  });
});

describeWith(["valkey"], "a Valkey whose starter is gone", () => {
  test.each([
    { how: "was killed", argument: "hold", end: "SIGKILL" as const },
    { how: "was interrupted", argument: "hold", end: "SIGINT" as const },
    { how: "ended without stopping it", argument: "forget", end: undefined },
  ])("ends, and its data goes, after the starter $how", async ({ argument, end }) => {
    const { url, folder, starter } = await startHolder(argument);
    if (end !== undefined) starter.kill(end);
    if (starter.exitCode === null && starter.signalCode === null) await once(starter, "exit");
    const answers = () => identifyValkey(parseValkeyUrl(url)).then(Boolean, () => false);
    await waitFor(async () => !existsSync(folder) && !(await answers()));
  });
});

describeWith(["valkey", "kafka"], "addresses in the environment", () => {
  test("are used, and not ended", async () => {
    const lines: string[] = [];
    const progress = (line: string) => lines.push(line);
    const url = sharedValkeyUrl();
    const valkey = await startValkey({ progress, env: { UNSTALE_VALKEY_URL: url } });
    const kafka = await startKafka({ progress, env: { KAFKA_BROKERS: sharedKafkaBrokers().join(", ") } });
    expect(valkey).toMatchObject({ url, owned: false, pid: undefined });
    expect(kafka).toMatchObject({ brokers: sharedKafkaBrokers(), owned: false });
    expect(lines).toEqual([
      expect.stringMatching(/^\w+ [\d.]+ at .* given by UNSTALE_VALKEY_URL$/),
      expect.stringMatching(/^Kafka \(one broker\) at .* given by KAFKA_BROKERS$/),
    ]);
    expect(() => valkey.pause()).toThrow(/UNSTALE_VALKEY_URL.*fresh/);
    await Promise.all([valkey.stop(), kafka.stop()]);
    await expect(identifyValkey(parseValkeyUrl(url))).resolves.toBeDefined();
    await expect(identifyKafka(sharedKafkaBrokers())).resolves.toEqual({ brokerCount: 1 });
  });
});

describeWith(["kafka"], "a Kafka of our own", () => {
  test("keeps its port and its topics over a pause, a restart and a kill", async () => {
    const kafka = await ownKafka();
    const topic = uniqueName("kept");
    await withAdmin(kafka.brokers, (admin) => admin.createTopics({ topics: [{ topic, numPartitions: 3 }] }));
    const topics = () => withAdmin(kafka.brokers, (admin) => admin.listTopics());

    kafka.pause();
    await expect(identifyKafka(kafka.brokers, 300)).rejects.toThrow();
    kafka.resume();
    await expect(topics()).resolves.toContain(topic);
    await kafka.restart();
    await expect(topics()).resolves.toContain(topic);
    await kafka.kill();
    await expect(identifyKafka(kafka.brokers, 300)).rejects.toThrow();
    await kafka.restart();
    await expect(topics()).resolves.toContain(topic);
  }, 120_000);

  test("takes properties, further listeners and users", async () => {
    const kafka = await ownKafka({
      properties: { "auto.create.topics.enable": true, "num.partitions": 3 },
      listeners: [
        {
          name: "SECURE",
          protocol: "SASL_PLAINTEXT",
          host: "localhost",
          properties: loginProperties(),
        },
      ],
    });
    const user = { mechanism: "SCRAM-SHA-512", name: "ann", password: "s3cret" } as const;
    await setScramUsers(kafka.brokers[0] ?? "", [user, { ...user, mechanism: "SCRAM-SHA-256" }]);
    const brokers = [kafka.listeners.SECURE ?? ""];
    const partitions = (password: string, mechanism: "scram-sha-256" | "scram-sha-512" = "scram-sha-512") =>
      withAdmin(
        brokers,
        async (admin) => (await admin.fetchTopicMetadata({ topics: ["made"] })).topics[0]?.partitions.length,
        { sasl: { mechanism, username: "ann", password } as SASLOptions },
      );
    expect(brokers[0]).toMatch(/^localhost:/);
    await expect(partitions("wrong")).rejects.toThrow(/authentication failed/i);
    await withAdmin(kafka.brokers, (admin) => admin.createTopics({ topics: [{ topic: "made" }] }));
    await expect(partitions("s3cret")).resolves.toBe(3);
    await expect(partitions("s3cret", "scram-sha-256")).resolves.toBe(3);
    await deleteScramUser(kafka.brokers[0] ?? "", user);
    await expect(partitions("s3cret")).rejects.toThrow(/authentication failed/i);
    await expect(partitions("s3cret", "scram-sha-256")).resolves.toBe(3);
  }, 120_000);
});

describe("without any rung", () => {
  test.each([
    { name: "Valkey", start: startValkey, missing: /no valkey-server in PATH.*no apt-get.*UNSTALE_VALKEY_URL=/s },
    { name: "Kafka", start: startKafka, missing: /no java in PATH.*UNSTALE_KAFKA_BROKERS=/s },
  ])("$name: says what is missing and how to give an address", async ({ start, missing }) => {
    await expect(start({ env: { PATH: "" } })).rejects.toMatchObject({
      name: "ServiceUnavailableError",
      message: expect.stringMatching(missing),
    });
  });

  test.each([
    { env: { UNSTALE_VALKEY_URL: "redis://:pw@127.0.0.1:1" }, message: /redis:\/\/\*\*\*@127.0.0.1:1 .*ECONNREFUSED/ },
    { env: { VALKEY_URL: "127.0.0.1" }, message: /Expected an address like/ },
  ])("a Valkey address that is of no use is an error: $env", async ({ env, message }) => {
    await expect(startValkey({ env })).rejects.toThrow(message);
  });

  test.each([
    { env: { UNSTALE_KAFKA_BROKERS: "127.0.0.1:1" }, message: /127.0.0.1:1 \(UNSTALE_KAFKA_BROKERS\)/ },
    { env: { UNSTALE_KAFKA_BROKERS: "a:9092,,b:9092" }, message: /host:9092,host:9093, got ""/ },
  ])("a Kafka address that is of no use is an error: $env", async ({ env, message }) => {
    await expect(startKafka({ env })).rejects.toThrow(message);
  });
});

async function startHolder(argument: string) {
  const path = (file: string) => fileURLToPath(new URL(file, import.meta.url));
  const starter = spawn(
    process.execPath,
    ["--import", path("../support/from-source.js"), path("../support/services-holder.ts"), argument],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  for await (const line of createInterface(starter.stdout)) {
    const { url, folder }: { url: string; folder: string } = JSON.parse(line);
    return { url, folder, starter };
  }
  throw new Error("Expected the starter to print where its server is, it ended without.");
}

function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function waitFor(condition: () => boolean | undefined | Promise<boolean | undefined>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Expected to become true within 10 s: ${condition}`);
    await delay(20);
  }
}

async function withAdmin<T>(
  brokers: readonly string[],
  use: (admin: ReturnType<Kafka["admin"]>) => Promise<T>,
  options: Partial<KafkaConfig> = {},
) {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING, ...options }).admin();
  try {
    await admin.connect();
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}
