import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, jest, test } from "@jest/globals";
import { createValkeyStore, proposeDeployment } from "@unstale/cache-core";
import { startValkeyReplica } from "../../dev/services/index.ts";
import { openKafkaScene } from "../support/kafka-scene.ts";
import { describeWith, ownValkey, sharedKafkaBrokers, uniqueName } from "../support/services.ts";
import { waitFor } from "../support/wait-for.ts";
import { endAll, metric, startUnstale, unstale } from "./worker-process.ts";

jest.setTimeout(90_000);

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await endAll();
  for (const close of closing.splice(0).reverse()) await close();
});

/** Addresses where nobody listens. */
const nobody = {
  UNSTALE_VALKEY_URL: "redis://127.0.0.1:1",
  UNSTALE_KAFKA_BROKERS: "127.0.0.1:1",
  UNSTALE_HTTP_PORT: "0",
};

async function kafkaEnv(topics?: (topic: string) => string): Promise<{ env: Record<string, string>; topic: string }> {
  const kafka = await openKafkaScene();
  closing.push(() => kafka.close());
  return {
    topic: kafka.topic,
    env: {
      UNSTALE_KAFKA_BROKERS: kafka.brokers.join(","),
      UNSTALE_KAFKA_TOPICS: topics?.(kafka.topic) ?? kafka.topic,
      UNSTALE_KAFKA_GROUP_ID: kafka.groupId,
      UNSTALE_HTTP_PORT: "0",
    },
  };
}

describeWith([], "unstale, without any service", () => {
  test("wrong settings: exit code 2, all problems, no stack", async () => {
    const env = { UNSTALE_KAFKA_BROKERS: "nohost", UNSTALE_HTTP_PROT: "1", UNSTALE_DRAIN_TIMEOUT: "soon" };
    const { code, stdout, stderr } = await unstale(["run"], env);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    for (const part of ["3 settings are wrong", "UNSTALE_HTTP_PORT?", '"nohost"', '"soon"'])
      expect(stderr).toContain(part);
    expect(stderr).not.toContain("    at ");
  });

  test("Valkey that does not answer: it lives, says why it is not ready, and ends in order", async () => {
    const worker = startUnstale(["run"], nobody);
    await waitFor(async () =>
      (await worker.get("/readyz?verbose")).text.includes("[-]valkey failed: connect ECONNREFUSED"),
    );
    expect((await worker.get("/livez")).status).toBe(200);
    expect((await worker.get("/metrics")).text).toContain("unstale_worker_ready");
    worker.kill("SIGTERM");
    expect(await worker.ended).toMatchObject({ code: 0, stderr: "" });
  });

  test("a port that is taken: exit code 1, and what to do", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as AddressInfo;
    const { code, stdout } = await unstale(["run"], { ...nobody, UNSTALE_HTTP_PORT: String(port) });
    expect(code).toBe(1);
    expect(stdout).toContain("UNSTALE_HTTP_PORT to another port");
  });

  test("doctor names the cause of each in one line, and fails", async () => {
    const { code, stdout } = await unstale(["doctor"], nobody);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL +valkey +.*-> Check that redis:\/\/127.0.0.1:1 is right/m);
    expect(stdout).toMatch(/^FAIL +kafka +.*-> Check that 127.0.0.1:1 is right/m);
    expect(stdout.trimEnd().split("\n")).toHaveLength(3);
  });

  test("--embedded: events by HTTP, the cache in memory, and one line that says so", async () => {
    const worker = startUnstale(["run", "--embedded", "--set", "embeddedPort=0"], { UNSTALE_HTTP_PORT: "0" });
    await worker.ready();
    expect(worker.logs().filter(({ msg }) => String(msg).startsWith("embedded: "))).toHaveLength(1);
    const url = (): string | undefined => /http:\/\/127\.0\.0\.1:\d+\/events/.exec(JSON.stringify(worker.logs()))?.[0];
    await waitFor(() => url() !== undefined);
    const response = await fetch(String(url()), { method: "POST", body: '{"id": "article:1"}\n{"id": "article:2"}\n' });
    expect(response.status).toBe(200);
    expect(await metric(worker, "unstale_worker_documents_total")).toBe(2);
    worker.kill("SIGTERM");
    expect((await worker.ended).code).toBe(0);
  });
});

describeWith(["kafka", "valkey"], "unstale run, started in a wrong place", () => {
  test("a topic that does not exist: waits, visibly, and goes on when it does", async () => {
    const kafka = await openKafkaScene({ create: false });
    closing.push(() => kafka.close());
    const valkey = await ownValkey();
    const worker = startUnstale(["run"], {
      UNSTALE_KAFKA_BROKERS: kafka.brokers.join(","),
      UNSTALE_KAFKA_TOPICS: kafka.topic,
      UNSTALE_KAFKA_GROUP_ID: kafka.groupId,
      UNSTALE_VALKEY_URL: valkey.url,
      UNSTALE_HTTP_PORT: "0",
    });
    await waitFor(async () =>
      (await worker.get("/readyz?verbose")).text.includes(`topic ${kafka.topic} does not exist`),
    );
    await kafka.createTopic();
    await worker.ready();
  });

  test("Kafka that does not answer: it lives and says why", async () => {
    const valkey = await ownValkey();
    const worker = startUnstale(["run"], { ...nobody, UNSTALE_VALKEY_URL: valkey.url });
    await waitFor(async () =>
      /\[-\]kafka failed: .*127.0.0.1:1|\[-\]kafka failed: .*broker/i.test((await worker.get("/readyz?verbose")).text),
    );
    expect((await worker.get("/livez")).status).toBe(200);
    worker.kill("SIGTERM");
    expect((await worker.ended).code).toBe(0);
  });

  test.each([
    ["no password", (url: string) => url, "NOAUTH"],
    ["a wrong password", (url: string) => url.replace("redis://", "redis://:wr0ngPassw0rd@"), "WRONGPASS"],
  ])("%s for Valkey: exit code 1, said in one line, without the password", async (_, address, reply) => {
    const valkey = await ownValkey({ config: ["requirepass right"] });
    const { env } = await kafkaEnv();
    const { code, stdout } = await unstale(["run"], { ...env, UNSTALE_VALKEY_URL: address(bare(valkey.url)) });
    expect(code).toBe(1);
    const fatal = stdout.split("\n").filter((line) => line.includes('"level":"fatal"'));
    expect(fatal).toHaveLength(1);
    expect(fatal[0]).toContain(reply);
    expect(stdout).not.toContain("wr0ngPassw0rd");
    expect(stdout).not.toContain("    at ");
  });

  test("the address of a replica: exit code 1", async () => {
    const primary = await ownValkey();
    const replica = await startValkeyReplica(primary);
    closing.push(() => replica.stop());
    const { env } = await kafkaEnv();
    const { code, stdout } = await unstale(["run"], { ...env, UNSTALE_VALKEY_URL: replica.url });
    expect(code).toBe(1);
    expect(stdout).toContain("The address is a replica's");
  });

  test("another deployment's Valkey: exit code 3, both values named", async () => {
    const valkey = await ownValkey();
    const store = createValkeyStore({ valkey: valkey.url });
    closing.push(() => store.close());
    const layout = { entryPrefix: "shop:", dependencyPrefixes: ["doc_deps:"] as [string], buckets: 1 };
    await store.configure(proposeDeployment({ layout, foreignWriters: true, group: "another" }));
    const { env } = await kafkaEnv();
    const { code, stdout } = await unstale(["run"], { ...env, UNSTALE_VALKEY_URL: valkey.url });
    expect(code).toBe(3);
    expect(stdout).toMatch(/entryPrefix is \\"shop:\\" there, \\"cache:\\" here/);
  });
});

describeWith(["kafka", "valkey"], "unstale invalidate and doctor", () => {
  test("produces the event and waits until the workers applied it", async () => {
    const valkey = await ownValkey();
    const { env, topic } = await kafkaEnv((name) => JSON.stringify([{ name, wide: true }]));
    const all = { ...env, UNSTALE_VALKEY_URL: valkey.url };
    const store = createValkeyStore({ valkey: valkey.url, timeoutMs: 30_000 });
    closing.push(() => store.close());

    const alone = await unstale(["invalidate", "article:1", "--timeout", "1"], all);
    expect(alone.code).toBe(1);
    expect(alone.stderr).toMatch(
      new RegExp(`^unstale: The event is on ${topic}/0 at offset 0, but no worker applied it within 1 s`),
    );

    const worker = startUnstale(["run"], all);
    await worker.ready();
    const isServed = async (query: string, namespace?: string): Promise<boolean> => {
      const opened = await store.open({ bucket: 0, namespace });
      const versions = opened.kind === "open" ? opened.snapshot.versions : [];
      return (await store.read({ bucket: 0, namespace, query, versions })).kind === "hit";
    };
    const fill = async (query: string, sources: readonly string[], namespace?: string): Promise<void> => {
      const opened = await store.open({ bucket: 0, namespace });
      if (opened.kind !== "open") throw new Error(opened.kind);
      const request = {
        bucket: 0,
        namespace,
        query,
        response: "answer",
        sources,
        ttlMs: 600_000,
        lease: opened.snapshot,
      };
      expect(await store.commit(request)).toEqual({ kind: "written" });
      expect(await isServed(query, namespace)).toBe(true);
    };

    await fill("one", ["article:1"]);
    await fill("two", ["article:2"], "docs:technical");
    await fill("three", ["article:3"]);
    const byEvent = await unstale(["invalidate", "article:1", "--json"], all);
    expect(byEvent).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(byEvent.stdout)).toMatchObject({ mode: "event", offsets: [{ topic, partition: 0, offset: 1 }] });
    expect(await isServed("one")).toBe(false);

    expect((await unstale(["invalidate", "--namespace", "docs"], all)).code).toBe(0);
    expect([await isServed("two", "docs:technical"), await isServed("three")]).toEqual([false, true]);
    expect((await unstale(["invalidate", "--all"], all)).code).toBe(0);
    expect(await isServed("three")).toBe(false);

    await fill("four", ["article:4"]);
    const direct = await unstale(["invalidate", "--direct", "article:4"], all);
    expect(direct).toMatchObject({ code: 0, stdout: "invalidated article:4; 1 entries deleted\n" });
    expect(await isServed("four")).toBe(false);

    const healthy = await unstale(["doctor", "--json"], all);
    const report = JSON.parse(healthy.stdout) as {
      ok: boolean;
      checks: { name: string; status: string; message: string }[];
    };
    expect({ code: healthy.code, ok: report.ok }).toEqual({ code: 0, ok: true });
    const statuses = Object.fromEntries(report.checks.map(({ name, status }) => [name, status]));
    expect(statuses).toMatchObject({
      settings: "ok",
      valkey: "ok",
      deployment: "ok",
      scripts: "ok",
      kafka: "ok",
      [`topic ${topic}`]: "ok",
      [`topic ${topic}.dlq`]: "ok",
      [`offsets ${topic}`]: "ok",
    });
  });

  test("doctor says what is missing, and that much of it is the worker's to make", async () => {
    const valkey = await ownValkey();
    const env = {
      UNSTALE_VALKEY_URL: valkey.url,
      UNSTALE_KAFKA_BROKERS: sharedKafkaBrokers().join(","),
      UNSTALE_KAFKA_TOPICS: uniqueName("missing"),
      UNSTALE_KAFKA_GROUP_ID: uniqueName("nobody"),
    };
    const { code, stdout } = await unstale(["doctor"], env);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL +topic missing-.* does not exist.*-> Create it/m);
    expect(stdout).toMatch(/^warn +group nobody-.*-> Start a worker/m);
    expect(stdout).toMatch(/^ok +scripts/m);
  });
});

/** Without the password that the service may have been given by its handle. */
function bare(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//");
}
