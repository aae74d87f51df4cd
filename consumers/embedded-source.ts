/**
 * Changes by HTTP instead of Kafka, for development. `POST /events?topic=<topic>` with NDJSON, a JSON array or one JSON
 * object; the topic may be left out where there is only one. Each value is a record of a log in memory with one partition
 * per topic, and goes the same way as a record from Kafka (`partition-run.ts`).
 *
 *   200  all were applied: nothing that depends on them is served any more
 *   202  taken, but not applied within `answerMs` (the store is down); it goes on being tried
 *   400  some could not be read: `failed` says which and why. The others were applied
 *   403 from a browser; 404, 405, 413, 503 as usual
 *
 * Nothing survives the process: what was answered with 202 is lost with it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock } from "@unstale/cache-core";
import type { Random } from "./backoff.ts";
import type { SourceRecord } from "./change-event.ts";
import type { ChangeHandlers, ChangeSource, Partition, PartitionLag, PartitionOffset } from "./change-source.ts";
import { createMemoryDeadLetters, type MemoryDeadLetters } from "./dead-letter.ts";
import { within } from "./deadline.ts";
import { EmbeddedPartition } from "./embedded-partition.ts";
import { readBody, splitValues } from "./embedded-request.ts";
import { consumerError, reasonOf } from "./errors.ts";
import { type Log, silentLog } from "./log.ts";
import type { Subscriptions } from "./subscriptions.ts";
import { defaultTuning, type Tuning } from "./tuning.ts";

export interface EmbeddedSourceOptions {
  readonly subscriptions: Subscriptions;
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Default 0: any free one, see `EmbeddedSource.url`. */
  readonly port?: number | undefined;
  /** Largest body. Default 1 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** How long a request may take to arrive, in ms. Default 30 s. */
  readonly patienceMs?: number | undefined;
  /** How long a request waits to be applied. Default 10 s. */
  readonly answerMs?: number | undefined;
  /** Records and dead letters kept in memory. Default 10,000 of each. */
  readonly keep?: number | undefined;
  readonly tuning?: Partial<Tuning> | undefined;
  readonly log?: Log | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

export interface EmbeddedSource extends ChangeSource {
  /** Where events are taken, once started: `http://127.0.0.1:40123/events`. */
  readonly url: string;
  readonly deadLetters: MemoryDeadLetters["letters"];
}

export function createEmbeddedSource(options: EmbeddedSourceOptions): EmbeddedSource {
  return new HttpSource(options);
}

const answerGraceMs = 1_000;
/** Only path and query of a request count. */
const base = "http://localhost";

type Answer = { readonly status: number; readonly body: object };

class HttpSource implements EmbeddedSource {
  readonly #options: EmbeddedSourceOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #letters: MemoryDeadLetters;
  readonly #partitions = new Map<string, EmbeddedPartition>();
  #server: Server | undefined;
  #handlers: ChangeHandlers | undefined;
  #url = "";
  #stopped: Promise<{ readonly drained: boolean }> | undefined;

  constructor(options: EmbeddedSourceOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.#letters = createMemoryDeadLetters({ limit: options.keep ?? 10_000, log: this.#log });
  }

  get url(): string {
    return this.#url;
  }

  get deadLetters(): MemoryDeadLetters["letters"] {
    return this.#letters.letters;
  }

  async start(handlers: ChangeHandlers): Promise<void> {
    if (this.#handlers !== undefined || this.#stopped !== undefined) {
      throw consumerError("UNSTALE_SOURCE_STARTED", "This source was started or stopped before.");
    }
    this.#handlers = handlers;
    const { host, port } = { host: this.#options.host ?? "127.0.0.1", port: this.#options.port ?? 0 };
    const serve: Serve = (request, response) => void this.#serve(request, response);
    this.#server = await listen({ host, port, patienceMs: this.#options.patienceMs ?? 30_000 }, serve);
    const address = this.#server.address() as AddressInfo;
    this.#url = `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}/events`;
    for (const topic of this.#options.subscriptions.topics) this.#partitions.set(topic, this.#createPartition(topic));
    handlers.onNotice({ kind: "joined", partitions: this.owned() });
    for (const partition of this.#partitions.values()) void partition.assign();
  }

  stop(options: { readonly drainMs: number }): Promise<{ readonly drained: boolean }> {
    this.#stopped ??= this.#stop(options.drainMs);
    return this.#stopped;
  }

  seek({ topic, partition, offset }: PartitionOffset): void {
    if (partition === 0) this.#partitions.get(topic)?.run.seek(offset);
  }

  owned(): readonly Partition[] {
    return [...this.#partitions.keys()].map((topic) => ({ topic, partition: 0 }));
  }

  async lag(): Promise<readonly PartitionLag[]> {
    return [...this.#partitions.values()].map(({ committed, log }) => ({
      topic: log.topic,
      partition: 0,
      committed,
      end: log.end,
      lag: log.end - committed,
    }));
  }

  async ends(): Promise<readonly PartitionOffset[]> {
    if (this.#partitions.size === 0) throw consumerError("UNSTALE_SOURCE_STOPPED", "The source does not run.");
    return [...this.#partitions.values()].map(({ log }) => ({ topic: log.topic, partition: 0, offset: log.end }));
  }

  async #stop(drainMs: number): Promise<{ readonly drained: boolean }> {
    const partitions = [...this.#partitions.values()];
    const closed = new Promise<void>((resolve) => {
      if (this.#server === undefined) resolve();
      else this.#server.close(() => resolve());
    });
    for (const { run } of partitions) run.freeze();
    const settled = Promise.all(partitions.map(({ run }) => run.drained())).then((all) => all.every(Boolean));
    const drained = await within(settled, drainMs, false, this.#clock);
    for (const partition of partitions) partition.commit();
    for (const { run } of partitions) run.end();
    if (partitions.length > 0) this.#handlers?.onRevoked(this.owned());
    this.#partitions.clear();
    // Requests that still wait are answered first.
    await within(closed, answerGraceMs, undefined, this.#clock);
    this.#server?.closeAllConnections();
    await closed;
    if (partitions.length > 0) this.#handlers?.onNotice({ kind: "left" });
    return { drained };
  }

  #createPartition(topic: string): EmbeddedPartition {
    const { subscriptions, tuning, random, keep } = this.#options;
    return new EmbeddedPartition({
      topic,
      keep: keep ?? 10_000,
      handlers: this.#handlers as ChangeHandlers,
      decode: (record) => subscriptions.decode(record),
      deadLetters: this.#letters,
      tuning: { ...defaultTuning, ...tuning },
      clock: this.#clock,
      random: random ?? Math.random,
      log: this.#log,
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.#answer(request);
    } catch (error) {
      this.#log.warn({ err: error }, "request failed");
      answer = { status: 500, body: { error: reasonOf(error) } };
    }
    if (response.destroyed) return;
    const closing = this.#stopped === undefined ? {} : { connection: "close" };
    response.writeHead(answer.status, { "content-type": "application/json", ...closing });
    response.end(`${JSON.stringify(answer.body)}\n`);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const target = request.url ?? "/";
    if (!URL.canParse(target, base)) return refusal(404, "expected POST /events");
    const url = new URL(target, base);
    if (url.pathname !== "/events") return refusal(404, "expected POST /events");
    if (request.method !== "POST") return refusal(405, "expected POST");
    // Browsers send it with every POST: a web page somewhere must not invalidate a developer's cache.
    if (request.headers.origin !== undefined) return refusal(403, "expected no browser");
    const { topics } = this.#options.subscriptions;
    const topic = url.searchParams.get("topic") ?? (topics.length === 1 ? topics[0] : undefined);
    if (topic === undefined) return refusal(400, `expected ?topic= with one of ${topics.join(", ")}`);
    const partition = this.#partitions.get(topic);
    if (partition === undefined) return refusal(404, `expected one of the topics ${topics.join(", ")}`);
    const limit = this.#options.maxBodyBytes ?? 1_048_576;
    const body = await readBody(request, limit);
    if ("tooLarge" in body) return refusal(413, `expected at most ${limit} bytes`);
    if (partition.run.closed) return refusal(503, "stopping");
    const values = splitValues(body.bytes);
    if (values.length === 0) return refusal(400, "expected at least one event");
    return await this.#apply(partition, values, request.headers);
  }

  async #apply(
    partition: EmbeddedPartition,
    values: readonly Buffer[],
    headers: IncomingMessage["headers"],
  ): Promise<Answer> {
    const { subscriptions, answerMs } = this.#options;
    const carried = traceHeaders(headers);
    const timestamp = this.#clock.now();
    const records = values.map((value) => partition.log.append({ key: null, value, headers: carried, timestamp }));
    const failed = records.flatMap((record, index) => failureOf(subscriptions, record, index));
    const next = partition.log.end;
    const done = partition.applied(next);
    const applied = await within(done, answerMs ?? 10_000, false, this.#clock);
    if (!applied && partition.run.closed) return refusal(503, "stopped before the events were applied");
    if (!applied) return { status: 202, body: { accepted: records.length - failed.length, failed } };
    const status = failed.length === 0 ? 200 : 400;
    return { status, body: { applied: records.length - failed.length, failed } };
  }
}

function failureOf(subscriptions: Subscriptions, record: SourceRecord, index: number): object[] {
  const decoded = subscriptions.decode(record);
  return decoded.kind === "changes" ? [] : [{ line: index + 1, reason: decoded.reason, detail: decoded.detail }];
}

function refusal(status: number, error: string): Answer {
  return { status, body: { error } };
}

function traceHeaders({ traceparent, tracestate }: IncomingMessage["headers"]): Record<string, Buffer[]> {
  const found: Record<string, Buffer[]> = {};
  if (typeof traceparent === "string") found.traceparent = [Buffer.from(traceparent)];
  if (typeof tracestate === "string") found.tracestate = [Buffer.from(tracestate)];
  return found;
}

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

interface Listening {
  readonly host: string;
  readonly port: number;
  readonly patienceMs: number;
}

function listen({ host, port, patienceMs }: Listening, serve: Serve): Promise<Server> {
  return new Promise((resolve, reject) => {
    const limits = {
      requestTimeout: patienceMs,
      headersTimeout: Math.min(patienceMs, 10_000),
      connectionsCheckingInterval: Math.min(patienceMs / 5, 1_000),
      maxHeaderSize: 16_384,
    };
    const server = createServer(limits, serve);
    server.maxConnections = 100;
    server.once("error", (error) => {
      const message = `Expected to listen on ${host}:${port}: ${error.message}`;
      reject(consumerError("UNSTALE_EMBEDDED_LISTEN", message, { cause: error }));
    });
    server.listen(port, host, () => resolve(server));
  });
}
