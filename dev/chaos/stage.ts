import { randomUUID } from "node:crypto";
import { openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createValkeyStore } from "@unstale/cache-core";
import type { Redis } from "iovalkey";
import { type ChangeProducer, createChangeProducer, type OutgoingRecord } from "../../consumers/index.ts";
import { type ServiceHandle, startValkey, type ValkeyHandle } from "../services/index.ts";
import { freePort } from "../services/ports.ts";
import { FaultyNetwork } from "./faulty-network.ts";
import { Group, type Offsets } from "./group.ts";
import { type Compression, sendFromJava } from "./java-producer.ts";
import { Load } from "./load.ts";
import { openKafka, type SharedServices, type StageKafka } from "./stage-kafka.ts";
import type { Length, StageOptions } from "./stage-options.ts";
import { until } from "./until.ts";
import { connectTool } from "./valkey-tool.ts";
import { Worker, type WorkerOptions } from "./worker.ts";

const defaultSettings = {
  UNSTALE_KAFKA_SESSION_TIMEOUT: "3s",
  UNSTALE_KAFKA_HEARTBEAT_INTERVAL: "500ms",
  UNSTALE_KAFKA_REBALANCE_TIMEOUT: "10s",
  UNSTALE_SLICE_TIMEOUT: "4s",
  UNSTALE_DRAIN_TIMEOUT: "5s",
  UNSTALE_HTTP_PORT: "0",
  UNSTALE_LOG_LEVEL: "debug",
  UNSTALE_LOG_FORMAT: "json",
};

/** Real services, worker processes and a load, for one row. */
export class Stage {
  readonly options: StageOptions;
  readonly length: Length;
  readonly kafka: StageKafka;
  readonly valkey: ValkeyHandle;
  readonly valkeyProxy: FaultyNetwork | undefined;
  /** The row's own connection to Valkey, beside all proxies. */
  readonly tool: Redis;
  readonly group: Group;
  readonly load: Load;
  readonly workers: Worker[] = [];
  /** When the fault was over, and the end of its recovery. */
  recovery: Promise<number> | undefined;
  #started = 0;
  #producer: Promise<ChangeProducer> | undefined;
  readonly #settings: Readonly<Record<string, string>>;
  /** Called in reverse order when the row is over. */
  readonly closing: (() => Promise<unknown>)[];

  private constructor(parts: {
    readonly options: StageOptions;
    readonly length: Length;
    readonly kafka: StageKafka;
    readonly valkey: ValkeyHandle;
    readonly valkeyProxy: FaultyNetwork | undefined;
    readonly tool: Redis;
    readonly group: Group;
    readonly load: Load;
    readonly settings: Readonly<Record<string, string>>;
    readonly closing: (() => Promise<unknown>)[];
  }) {
    this.options = parts.options;
    this.length = parts.length;
    this.kafka = parts.kafka;
    this.valkey = parts.valkey;
    this.valkeyProxy = parts.valkeyProxy;
    this.tool = parts.tool;
    this.group = parts.group;
    this.load = parts.load;
    this.#settings = parts.settings;
    this.closing = parts.closing;
  }

  static async open(options: StageOptions, shared: SharedServices, length: Length): Promise<Stage> {
    const closing: (() => Promise<unknown>)[] = [];
    const closed = <T>(value: T, close: (value: T) => Promise<unknown>): T => {
      closing.push(() => close(value));
      return value;
    };
    try {
      const [kafka, valkey] = await Promise.all([
        openKafka(options.kafka, shared).then((own) => closed(own, (one) => one.close())),
        startValkey({ fresh: true, config: options.valkey ?? [] }).then((own) => closed(own, (one) => one.stop())),
      ]);
      const run = randomUUID().slice(0, 8);
      const topic = `documents-${run}`;
      const group = new Group(kafka.brokers, topic, `group-${run}`);
      await group.admin.connect();
      closed(group, ({ admin }) => admin.disconnect());
      await group.createTopic(topic, options.partitions ?? 4, options.topic);
      const tool = closed(connectTool(valkey.url), async (client) => client.disconnect());
      const valkeyProxy = options.valkeyProxy ? closed(new FaultyNetwork(valkey), (proxy) => proxy.close()) : undefined;
      const proxyPort = await valkeyProxy?.listen();
      const { rate = 600, lead = 3_000 } = options;
      const load = new Load({ brokers: kafka.brokers, topic, valkeyUrl: valkey.url, rate, lead });
      closed(load, (one) => one.kill());
      const settings = {
        ...defaultSettings,
        UNSTALE_KAFKA_BROKERS: kafka.workerBrokers.join(","),
        UNSTALE_KAFKA_TOPICS: topic,
        UNSTALE_KAFKA_GROUP_ID: group.groupId,
        UNSTALE_VALKEY_URL: proxyPort === undefined ? valkey.url : `redis://127.0.0.1:${proxyPort}`,
        ...options.settings,
      };
      return new Stage({ options, length, kafka, valkey, valkeyProxy, tool, group, load, settings, closing });
    } catch (error) {
      for (const close of closing.reverse()) await close().catch(() => {});
      throw error;
    }
  }

  get short(): boolean {
    return this.length.short;
  }

  get topic(): string {
    return this.group.topic;
  }

  /** One of Kafka's brokers. */
  broker(id = 1): ServiceHandle {
    const broker = this.kafka.nodes.get(id);
    if (broker === undefined) throw new Error(`Expected a broker ${id} on this stage.`);
    return broker;
  }

  /** Starts one more worker, with settings of its own. */
  start(settings: Readonly<Record<string, string>> = {}): Promise<Worker> {
    return this.#start({ settings });
  }

  /** A worker whose standard output is this file; it is not heard. */
  async startWithStdout(file: string): Promise<Worker> {
    const port = await freePort();
    return this.#start({ settings: { UNSTALE_HTTP_PORT: String(port) }, port, stdout: openSync(file, "w") });
  }

  async #start(more: Pick<WorkerOptions, "settings" | "port" | "stdout">): Promise<Worker> {
    const { length, options, topic } = this;
    this.#started += 1;
    const name = `worker ${this.#started}`;
    const logFile = length.logs === undefined ? undefined : join(length.logs, `${topic} ${name}.log`);
    const settings = { ...this.#settings, ...more.settings };
    const worker = await Worker.start({ ...more, name, settings, planted: options.planted ?? false, logFile });
    this.workers.push(worker);
    return worker;
  }

  worker(index: number): Worker {
    const worker = this.workers[index];
    if (worker === undefined) throw new Error(`Expected a worker ${index + 1} on this stage.`);
    return worker;
  }

  /** How long a fault lasts, in each form. */
  lasting(shortMs: number, fullMs: number): Promise<void> {
    return delay(this.short ? shortMs : fullMs);
  }

  /** Everything that is in the log now must be committed; how long that takes is the time to recover. */
  async over(): Promise<void> {
    const began = Date.now();
    const goal = await this.group.ends();
    this.recovery = this.group.reached(goal, 120_000).then(() => Date.now() - began);
    this.recovery.catch(() => {});
  }

  /** The ends of the log, once a question is answered. */
  async ends(): Promise<Offsets> {
    let ends: Offsets = new Map();
    await until("Kafka tells the ends of the log", async () => {
      ends = await this.group.ends();
      return true;
    });
    return ends;
  }

  /** Sends the event of a document, and enters it into the ledger. */
  async change(id: string, partition: number): Promise<void> {
    const [sent] = await this.send([{ key: id, value: JSON.stringify({ id }), partition }]);
    this.load.events.push({ id, topic: this.topic, partition, offset: Number(sent?.offset), at: Date.now() });
  }

  /** Sends events of the ledger with Kafka's own producer, those of a partition in one batch. */
  async changeFromJava(ids: readonly string[], compression: Compression, partitions = 4): Promise<void> {
    const { topic } = this;
    const records = ids.map((id, index) => ({ partition: index % partitions, key: id, value: JSON.stringify({ id }) }));
    const offsets = await sendFromJava({ brokers: this.kafka.brokers, topic, compression, records });
    const at = Date.now();
    records.forEach(({ partition, key }, index) => {
      this.load.events.push({ id: key, topic, partition, offset: offsets[index] ?? -1, at });
    });
  }

  /** Sends records that are no events of the ledger, to the row's topic. */
  async send(records: readonly OutgoingRecord[]): ReturnType<ChangeProducer["send"]> {
    this.#producer ??= createChangeProducer({ connection: { brokers: this.kafka.brokers, clientId: "chaos" } });
    return (await this.#producer).send(this.topic, records);
  }

  /** The log of the topic is another one from now on, whose offsets begin anew: what was before is accounted for apart. */
  beginAnotherLog(): void {
    const apart = <T extends { readonly topic: string }>(all: T[]): void => {
      all.splice(0, all.length, ...all.map((one) => ({ ...one, topic: `${one.topic}, before` })));
    };
    apart(this.load.events);
    for (const worker of this.workers) apart(worker.slices);
  }

  /** Caches `count` answers that depend on one document. */
  async fillOne(id: string, count: number): Promise<void> {
    const store = createValkeyStore({ valkey: this.valkey.url, timeoutMs: 30_000 });
    try {
      const opened = await store.open({ bucket: 0 });
      if (opened.kind !== "open") throw new Error(opened.kind);
      const shared = { bucket: 0, response: "answer", sources: [id], ttlMs: 3_600_000, lease: opened.snapshot };
      for (let from = 0; from < count; from += 1_000) {
        const queries = Array.from({ length: Math.min(1_000, count - from) }, (_, at) => `${id} ${from + at}`);
        await Promise.all(queries.map((query) => store.commit({ ...shared, query })));
        const entries = queries.map((query) => ({ query, versions: opened.snapshot.versions }));
        this.load.entries.set(id, [...(this.load.entries.get(id) ?? []), ...entries]);
      }
    } finally {
      await store.close();
    }
  }

  async close(): Promise<void> {
    await this.load.kill();
    await (await this.#producer)?.close();
    await Promise.all(this.workers.map((worker) => worker.kill()));
    for (const close of this.closing.reverse()) await close().catch(() => {});
  }
}
