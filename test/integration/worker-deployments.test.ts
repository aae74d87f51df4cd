import { afterEach, expect, jest, test } from "@jest/globals";
import { type KafkaScene, openKafkaScene } from "../support/kafka-scene.ts";
import { describeWith, ownValkey } from "../support/services.ts";
import { waitFor } from "../support/wait-for.ts";
import { endAll, metric, startUnstale } from "./worker-process.ts";

jest.setTimeout(120_000);

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await endAll();
  for (const close of closing.splice(0).reverse()) await close();
});

async function kafkaOf(partitions = 2): Promise<{ kafka: KafkaScene; env: Record<string, string> }> {
  const kafka = await openKafkaScene({ partitions });
  closing.push(() => kafka.close());
  const env = {
    UNSTALE_KAFKA_BROKERS: kafka.brokers.join(","),
    UNSTALE_KAFKA_TOPICS: kafka.topic,
    UNSTALE_KAFKA_GROUP_ID: kafka.groupId,
    UNSTALE_KAFKA_SESSION_TIMEOUT: "2s",
    UNSTALE_KAFKA_HEARTBEAT_INTERVAL: "300ms",
    UNSTALE_HTTP_PORT: "0",
  };
  return { kafka, env };
}

const records = (name: string, count: number): { key: string; value: string }[] =>
  Array.from({ length: count }, (_, index) => ({ key: `${name}:${index}`, value: `{"id": "${name}:${index}"}` }));

describeWith(["kafka", "valkey"], "two deployments by mistake", () => {
  test("in one group: the second ends with 3 and says why; the first has every event", async () => {
    const { kafka, env } = await kafkaOf();
    const [one, two] = await Promise.all([ownValkey(), ownValkey()]);
    const first = startUnstale(["run"], { ...env, UNSTALE_VALKEY_URL: one.url });
    await first.ready();
    await kafka.send(records("a", 20));
    await waitFor(async () => (await metric(first, "unstale_worker_records_total")) === 20);
    const second = startUnstale(["run"], { ...env, UNSTALE_VALKEY_URL: two.url });
    const { code, stdout } = await second.ended;
    expect(code).toBe(3);
    expect(stdout).toContain("UNSTALE_KAFKA_GROUP_SHARED");
    expect(stdout).toContain("UNSTALE_KAFKA_GROUP_ID");
    await kafka.send(records("b", 20));
    await waitFor(async () => (await metric(first, "unstale_worker_records_total")) >= 40, 60_000);
    await first.ready();
  });

  test("on one Valkey: the second group's worker ends with 3, both groups named", async () => {
    const { env } = await kafkaOf(1);
    const valkey = await ownValkey();
    const first = startUnstale(["run"], { ...env, UNSTALE_VALKEY_URL: valkey.url });
    await first.ready();
    const other = `${env.UNSTALE_KAFKA_GROUP_ID}-other`;
    const second = startUnstale(["run"], { ...env, UNSTALE_VALKEY_URL: valkey.url, UNSTALE_KAFKA_GROUP_ID: other });
    const { code, stdout } = await second.ended;
    expect(code).toBe(3);
    expect(stdout).toContain("UNSTALE_CONFIG_MISMATCH");
    expect(stdout).toContain(`group is \\"${env.UNSTALE_KAFKA_GROUP_ID}\\" there, \\"${other}\\" here`);
    await first.ready();
  });
});

describeWith(["kafka", "valkey"], "a deployment whose Valkey is empty", () => {
  test("while it runs keeps its id; its next worker is welcome", async () => {
    const { kafka, env } = await kafkaOf();
    const valkey = await ownValkey();
    const all = { ...env, UNSTALE_VALKEY_URL: valkey.url };
    const first = startUnstale(["run"], all);
    await first.ready();
    await kafka.send(records("a", 20));
    await waitFor(async () => (await metric(first, "unstale_worker_records_total")) === 20);
    await valkey.kill();
    await valkey.restart();
    await waitFor(async () => (await metric(first, "unstale_worker_barriers_total")) > 0);
    const second = startUnstale(["run"], all);
    await second.ready();
    await kafka.send(records("b", 20));
    const applied = async (): Promise<number> =>
      (await metric(first, "unstale_worker_records_total")) + (await metric(second, "unstale_worker_records_total"));
    await waitFor(async () => (await applied()) >= 40, 60_000);
  });

  test("while none of its workers ran: a new one takes over what is committed, and invalidates everything", async () => {
    const { kafka, env } = await kafkaOf(1);
    const valkey = await ownValkey();
    const all = { ...env, UNSTALE_VALKEY_URL: valkey.url };
    const first = startUnstale(["run"], all);
    await first.ready();
    await kafka.send(records("a", 3));
    await waitFor(async () => (await kafka.committed())[0] === 3n);
    first.kill("SIGTERM");
    await first.ended;
    await valkey.kill();
    await valkey.restart();
    const next = startUnstale(["run"], all);
    await next.ready();
    await waitFor(async () => (await metric(next, "unstale_worker_barriers_total", 'reason="lost"')) === 1);
    expect(next.said("taking over what another deployment committed")).toBe(true);
    await kafka.send(records("b", 3));
    await waitFor(async () => (await kafka.committed())[0] === 6n);
  });

  test("group offsets that were deleted by hand: seen, and everything is invalidated", async () => {
    const { kafka, env } = await kafkaOf(1);
    const valkey = await ownValkey();
    const all = { ...env, UNSTALE_VALKEY_URL: valkey.url };
    const first = startUnstale(["run"], all);
    await first.ready();
    await kafka.send(records("a", 3));
    await waitFor(async () => (await kafka.committed())[0] === 3n);
    first.kill("SIGTERM");
    await first.ended;
    await kafka.admin.deleteGroups([kafka.groupId]);
    const next = startUnstale(["run"], all);
    await next.ready();
    await waitFor(async () => (await metric(next, "unstale_worker_barriers_total", 'reason="forgotten"')) === 1);
    expect(await metric(next, "unstale_worker_missed_from")).toBe(3);
    expect(await metric(next, "unstale_worker_missed_to")).toBe(0);
  });
});
