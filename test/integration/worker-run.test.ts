import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, jest, test } from "@jest/globals";
import { type CacheStore, createValkeyStore } from "@unstale/cache-core";
import type { ValkeyHandle } from "../../dev/services/index.ts";
import { type KafkaScene, openKafkaScene } from "../support/kafka-scene.ts";
import { describeWith, ownValkey } from "../support/services.ts";
import { waitFor } from "../support/wait-for.ts";
import { endAll, metric, startUnstale, type WorkerProcess } from "./worker-process.ts";

jest.setTimeout(90_000);

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await endAll();
  for (const close of closing.splice(0).reverse()) await close();
});

interface Stage {
  readonly kafka: KafkaScene;
  readonly valkey: ValkeyHandle;
  readonly env: Readonly<Record<string, string>>;
  worker(env?: Readonly<Record<string, string>>): WorkerProcess;
  /** Caches an answer for each id, built from it. */
  fill(ids: readonly string[]): Promise<void>;
  /** Those of the ids whose answer is still served. */
  served(ids: readonly string[]): Promise<readonly string[]>;
}

async function open(options: { readonly partitions?: number } = {}): Promise<Stage> {
  const [kafka, valkey] = await Promise.all([openKafkaScene({ partitions: options.partitions ?? 1 }), ownValkey()]);
  // Not SmartCache: on a busy machine its time limits would look like misses.
  const store = createValkeyStore({ valkey: valkey.url, timeoutMs: 30_000 });
  closing.push(
    () => valkey.stop(),
    () => kafka.close(),
    () => store.close(),
  );
  const env = {
    UNSTALE_KAFKA_BROKERS: kafka.brokers.join(","),
    UNSTALE_KAFKA_TOPICS: kafka.topic,
    UNSTALE_KAFKA_GROUP_ID: kafka.groupId,
    UNSTALE_KAFKA_SESSION_TIMEOUT: "2s",
    UNSTALE_KAFKA_HEARTBEAT_INTERVAL: "300ms",
    UNSTALE_VALKEY_URL: valkey.url,
    UNSTALE_HTTP_PORT: "0",
  };
  return {
    kafka,
    valkey,
    env,
    worker: (more = {}) => startUnstale(["run"], { ...env, ...more }),
    fill: async (ids) => {
      const opened = await store.open({ bucket: 0 });
      if (opened.kind !== "open") throw new Error(opened.kind);
      const lease = opened.snapshot;
      const entry = { bucket: 0, response: "answer", ttlMs: 600_000, lease };
      const replies = await Promise.all(ids.map((id) => store.commit({ ...entry, query: id, sources: [id] })));
      expect(replies.filter(({ kind }) => kind !== "written")).toEqual([]);
    },
    served: async (ids) => {
      const hits = await Promise.all(ids.map(async (id) => ({ id, isHit: await isServed(store, id) })));
      return hits.filter(({ isHit }) => isHit).map(({ id }) => id);
    },
  };
}

/** As a producer reads: under the versions that are current. */
async function isServed(store: CacheStore, query: string): Promise<boolean> {
  const opened = await store.open({ bucket: 0 });
  const versions = opened.kind === "open" ? opened.snapshot.versions : [];
  return (await store.read({ bucket: 0, query, versions })).kind === "hit";
}

const idsOf = (count: number): string[] => Array.from({ length: count }, (_, index) => `article:${index}`);
const eventOf = (id: string): { key: string; value: string } => ({ key: id, value: JSON.stringify({ id }) });

describeWith(["kafka", "valkey"], "unstale run", () => {
  test("makes unservable what an event names, and says what it did", async () => {
    const stage = await open();
    const worker = stage.worker();
    await worker.ready();
    await stage.fill(["article:1", "article:2", "article:3", "article:4"]);
    await stage.kafka.send([
      { key: null, value: '{"id": "article:1"}' },
      { key: "article:2", value: null },
      { key: null, value: '{"ids": ["article:3", "list:articles"]}' },
    ]);
    await waitFor(async () => (await stage.served(idsOf(5))).length === 1);
    expect(await stage.served(idsOf(5))).toEqual(["article:4"]);

    expect(await worker.get("/livez")).toEqual({ status: 200, text: "ok\n" });
    expect((await worker.get("/readyz?verbose")).text).toMatch(
      /^\[\+\]valkey ok.*\n\[\+\]kafka ok.*\n\[\+\]partitions ok/,
    );
    await waitFor(async () => (await metric(worker, "unstale_worker_documents_total")) === 4);
    expect(await metric(worker, "unstale_worker_entries_deleted_total", 'phase="barrier"')).toBe(3);
    expect(await metric(worker, "unstale_worker_event_to_unservable_count")).toBe(4);
    await waitFor(async () => (await stage.kafka.committed())[0] === 3n);
  });

  test("sends what it cannot read to the dead letters, and goes on", async () => {
    const stage = await open();
    const worker = stage.worker();
    await worker.ready();
    await stage.fill(["article:1", "article:2"]);
    await stage.kafka.send([
      { key: "article:1", value: "not json", headers: { "x-own": "kept" } },
      eventOf("article:2"),
    ]);
    await waitFor(async () => (await stage.served(idsOf(3))).length === 0);
    const [letter] = await stage.kafka.deadLetters(1);
    expect([String(letter?.key), String(letter?.value)]).toEqual(["article:1", "not json"]);
    const headers = Object.fromEntries(
      Object.entries(letter?.headers ?? {}).map(([name, value]) => [name, String(value)]),
    );
    expect(headers).toMatchObject({ "x-own": "kept", "unstale-reason": "not-json", "unstale-origin-offset": "0" });
    expect(await metric(worker, "unstale_worker_dead_letters_total", 'reason="not-json"')).toBe(1);
  });

  test("SIGTERM under load: finishes, commits, leaves the group, and ends with 0 within its bound", async () => {
    const stage = await open({ partitions: 2 });
    const worker = stage.worker();
    await worker.ready();
    const ids = idsOf(2_000);
    for (let from = 0; from < ids.length; from += 500) await stage.kafka.send(ids.slice(from, from + 500).map(eventOf));
    await waitFor(async () => (await metric(worker, "unstale_worker_records_total")) > 0);
    const began = Date.now();
    worker.kill("SIGTERM");
    const { code, stderr } = await worker.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(Date.now() - began).toBeLessThan(15_000);
    // Everything that it applied is committed: another worker begins exactly there.
    const committed = (await stage.kafka.committed()).map((offset) => offset ?? 0n);
    const { groups } = await stage.kafka.admin.describeGroups([stage.kafka.groupId]);
    expect(groups[0]?.members).toEqual([]);
    const next = stage.worker();
    await next.ready();
    const total = (): Promise<number> => metric(next, "unstale_worker_records_total");
    const left = 2_000 - Number(committed.reduce((sum, offset) => sum + offset, 0n));
    await waitFor(async () => (await total()) >= left);
    expect(await total()).toBe(left);
  });

  test("two workers share the partitions; kill -9 of one under load loses nothing", async () => {
    const stage = await open({ partitions: 4 });
    const [one, two] = [stage.worker(), stage.worker()];
    await Promise.all([one.ready(), two.ready()]);
    const owned = (worker: WorkerProcess): Promise<number> =>
      metric(worker, "unstale_worker_partitions", 'state="owned"');
    await waitFor(async () => (await owned(one)) === 2 && (await owned(two)) === 2);
    const ids = idsOf(1_000);
    await stage.fill(ids);
    for (let from = 0; from < ids.length; from += 100) {
      await stage.kafka.send(ids.slice(from, from + 100).map(eventOf));
      if (from === 300) one.kill("SIGKILL");
    }
    await one.ended;
    await waitFor(async () => (await stage.served(ids)).length === 0);
    await waitFor(
      async () => (await stage.kafka.committed()).reduce((sum, offset) => (sum ?? 0n) + (offset ?? 0n), 0n) === 1_000n,
    );
    expect(await owned(two)).toBe(4);
  });

  test("Valkey goes away and comes back: the worker waits, stays in its group, and applies what came meanwhile", async () => {
    const stage = await open();
    const worker = stage.worker();
    await worker.ready();
    await stage.fill(["article:1"]);
    stage.valkey.pause();
    await stage.kafka.send([eventOf("article:1")]);
    await waitFor(async () => (await worker.get("/readyz")).status === 503);
    expect((await worker.get("/livez")).status).toBe(200);
    stage.valkey.resume();
    await worker.ready();
    await waitFor(async () => (await stage.served(["article:1"])).length === 0);
    await waitFor(async () => (await stage.kafka.committed())[0] === 1n);
  });

  test("H7: Valkey lost everything: all answers that were cached since are unservable, and the account begins anew", async () => {
    const stage = await open();
    const worker = stage.worker();
    await worker.ready();
    await stage.kafka.send([eventOf("article:1")]);
    await waitFor(async () => (await stage.kafka.committed())[0] === 1n);
    await stage.valkey.kill();
    await stage.valkey.restart();
    await waitFor(async () => (await metric(worker, "unstale_worker_barriers_total")) > 0);
    await worker.ready();
    await stage.fill(["article:2"]);
    await stage.kafka.send([eventOf("article:2")]);
    await waitFor(async () => (await stage.served(["article:2"])).length === 0);
    await waitFor(async () => (await stage.kafka.committed())[0] === 2n);
  });

  test("its traces continue those of producers, and its last spans are sent before it ends", async () => {
    const stage = await open();
    const bodies: string[] = [];
    const collector = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text) => {
        body += text;
      });
      request.on("end", () => {
        bodies.push(body);
        response.setHeader("content-type", "application/json").end("{}");
      });
    });
    await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
    closing.push(() => new Promise((resolve) => collector.close(resolve)));
    const { port } = collector.address() as AddressInfo;
    const worker = stage.worker({
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    });
    await worker.ready();
    const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    await stage.kafka.send([
      { ...eventOf("article:1"), headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } },
    ]);
    await waitFor(async () => (await stage.kafka.committed())[0] === 1n);
    worker.kill("SIGTERM");
    expect((await worker.ended).code).toBe(0);
    const sent = bodies.join("");
    expect(sent).toContain(`"name":"process ${stage.kafka.topic}"`);
    expect(sent).toContain('"name":"invalidate"');
    expect(sent).toContain(`"traceId":"${traceId}"`);
    expect(sent).toContain('"parentSpanId":"00f067aa0ba902b7"');
  });

  test("goes on when nobody reads its output any more", async () => {
    const stage = await open();
    const worker = stage.worker({ UNSTALE_LOG_LEVEL: "trace" });
    await worker.ready();
    const url = await worker.url();
    worker.child.stdout?.destroy();
    worker.child.stderr?.destroy();
    await stage.fill(["article:1"]);
    await stage.kafka.send([eventOf("article:1")]);
    await waitFor(async () => (await stage.served(["article:1"])).length === 0);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    worker.kill("SIGTERM");
    expect((await worker.ended).code).toBe(0);
  });

  test("SIGTERM while Valkey hangs: ends with 0 within its bound, and the event is left to another worker", async () => {
    const stage = await open();
    const worker = stage.worker({ UNSTALE_DRAIN_TIMEOUT: "1s" });
    await worker.ready();
    await stage.fill(["article:1"]);
    stage.valkey.pause();
    await stage.kafka.send([eventOf("article:1")]);
    await waitFor(async () => (await worker.get("/readyz")).status === 503);
    const began = Date.now();
    worker.kill("SIGTERM");
    expect(await worker.ended).toMatchObject({ code: 0, stderr: "" });
    expect(Date.now() - began).toBeLessThan(6_000);
    stage.valkey.resume();
    await stage.worker().ready();
    await waitFor(async () => (await stage.served(["article:1"])).length === 0);
  });

  test("a second SIGTERM ends it at once", async () => {
    const stage = await open();
    const worker = stage.worker();
    await worker.ready();
    stage.valkey.pause();
    await stage.kafka.send([eventOf("article:1")]);
    await waitFor(async () => (await worker.get("/readyz")).status === 503);
    worker.kill("SIGTERM");
    await waitFor(() => worker.said('"msg":"stopping"'));
    worker.kill("SIGTERM");
    const ended = await worker.ended;
    stage.valkey.resume();
    expect(ended.code).toBe(143);
  });
});
