import { afterEach, expect, jest, test } from "@jest/globals";
import { createValkeyStore } from "@unstale/cache-core";
import { type KafkaScene, openKafkaScene } from "../support/kafka-scene.ts";
import { describeWith, ownValkey } from "../support/services.ts";
import { waitFor } from "../support/wait-for.ts";
import { endAll, metric, startUnstale, unstale } from "./worker-process.ts";

jest.setTimeout(120_000);

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await endAll();
  for (const close of closing.splice(0).reverse()) await close();
});

async function stage(partitions = 2) {
  const [kafka, valkey] = await Promise.all([openKafkaScene({ partitions }), ownValkey()]);
  const store = createValkeyStore({ valkey: valkey.url, timeoutMs: 30_000 });
  closing.push(
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
  const fill = async (id: string): Promise<void> => {
    const opened = await store.open({ bucket: 0 });
    if (opened.kind !== "open") throw new Error(opened.kind);
    const entry = { bucket: 0, query: id, response: "answer", sources: [id], ttlMs: 600_000, lease: opened.snapshot };
    expect(await store.commit(entry)).toEqual({ kind: "written" });
  };
  const isServed = async (query: string): Promise<boolean> => {
    const opened = await store.open({ bucket: 0 });
    const versions = opened.kind === "open" ? opened.snapshot.versions : [];
    return (await store.read({ bucket: 0, query, versions })).kind === "hit";
  };
  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await unstale([...args, "--json"], env);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  return { kafka, env, fill, isServed, json };
}

const sum = (offsets: readonly (bigint | undefined)[]): number =>
  offsets.reduce((total, offset) => total + Number(offset ?? 0n), 0);
const at = (partition: number, value: string, key: string | null = null) => ({ key, value, partition });

async function originsOf(kafka: KafkaScene, count: number): Promise<readonly string[]> {
  const letters = await kafka.deadLetters(count);
  return letters.map(({ headers }) => String(headers?.["unstale-replayed-from"] ?? "first"));
}

describeWith(["kafka", "valkey"], "unstale dlq", () => {
  test("lists, shows and sends back; what still cannot be read comes back with its history", async () => {
    const { kafka, env, json } = await stage();
    const empty = await json("dlq", "list");
    expect(empty).toEqual({ letters: [], more: false });
    const worker = startUnstale(["run"], env);
    await worker.ready();
    await kafka.send([
      { ...at(1, "not json", "article:1"), headers: { "x-own": "kept" } },
      at(0, '{"nothing": true}'),
      at(0, '{"id": "article:2"}'),
    ]);
    await waitFor(async () => (await metric(worker, "unstale_worker_dead_letters_total")) === 2);

    const listed = (await json("dlq", "list")) as { letters: { letter: string; reason: string; origin: object }[] };
    expect(listed.letters.map(({ reason }) => reason).sort()).toEqual(["no-id", "not-json"]);
    const { letters } = (await json("dlq", "list", "--reason", "not-json")) as typeof listed;
    expect(letters).toMatchObject([{ origin: { topic: kafka.topic, partition: 1, offset: 0 } }]);
    expect(await json("dlq", "list", "--limit", "1")).toMatchObject({ more: true });
    expect(await json("dlq", "list", "--until", "1h")).toEqual({ letters: [], more: false });
    const name = letters[0]?.letter ?? "";
    expect(await json("dlq", "show", name)).toMatchObject({
      key: "article:1",
      value: "not json",
      headers: { "x-own": ["kept"], "unstale-reason": ["not-json"] },
    });
    const missing = await unstale(["dlq", "show", `${kafka.topic}.dlq/0/99`], env);
    expect(missing).toMatchObject({ code: 1, stdout: "" });

    const filter = ["--reason", "not-json"];
    const dry = await unstale(["dlq", "replay", ...filter], env);
    expect(dry.stdout).toContain("1 would be sent back; --apply does it");
    expect(await json("dlq", "replay", ...filter, "--apply")).toMatchObject({
      applied: true,
      sent: [{ letter: name }],
    });
    await waitFor(async () => (await metric(worker, "unstale_worker_dead_letters_total")) === 3);
    expect([...(await originsOf(kafka, 3))].sort()).toEqual(["first", "first", name].sort());
    const [again] = (await kafka.deadLetters(3)).filter(({ headers }) => headers?.["unstale-replayed-from"]);
    expect([String(again?.key), String(again?.value), String(again?.headers?.["x-own"])]).toEqual([
      ...["article:1", "not json", "kept"],
    ]);
    expect(String(again?.headers?.["unstale-origin-partition"])).toBe("1");
  });

  test("keeps to its rate", async () => {
    const { kafka, env, json } = await stage(1);
    const worker = startUnstale(["run"], env);
    await worker.ready();
    await kafka.send(Array.from({ length: 5 }, () => at(0, "not json")));
    await waitFor(async () => (await metric(worker, "unstale_worker_dead_letters_total")) === 5);
    const began = Date.now();
    const { sent } = (await json("dlq", "replay", "--apply", "--rate", "5")) as { sent: object[] };
    expect(sent).toHaveLength(5);
    // Four pauses of a fifth of a second at least; nothing is said of how long it may take.
    expect(Date.now() - began).toBeGreaterThanOrEqual(800);
  });
});

describeWith(["kafka", "valkey"], "unstale replay and lag", () => {
  test("replay invalidates what a stretch of the log names, and leaves group and account where they are", async () => {
    const { kafka, env, fill, isServed, json } = await stage();
    const worker = startUnstale(["run"], env);
    await worker.ready();
    await kafka.send([at(0, '{"id": "a"}'), at(0, '{"id": "b"}'), at(1, '{"id": "c"}'), at(1, "not json")]);
    await waitFor(async () => sum(await kafka.committed()) === 4);
    for (const id of ["a", "b", "c", "d"]) await fill(id);

    const counted = await json("replay", "--from", "1h");
    expect(counted).toMatchObject({ applied: false, partitions: [{ documents: 2 }, { documents: 1, unreadable: 1 }] });
    expect(await isServed("a")).toBe(true);
    const one = ["--from", "1", "--to", "2", "--topic", kafka.topic, "--partition", "0"];
    expect(await json("replay", ...one, "--apply")).toMatchObject({ partitions: [{ from: 1, to: 2, records: 1 }] });
    expect([await isServed("a"), await isServed("b")]).toEqual([true, false]);
    for (let times = 0; times < 2; times += 1) await json("replay", "--from", "0", "--apply");
    const served = await Promise.all(["a", "b", "c", "d"].map(isServed));
    expect(served).toEqual([false, false, false, true]);
    expect(sum(await kafka.committed())).toBe(4);
    expect(await metric(worker, "unstale_worker_records_total")).toBe(4);
    const { partitions } = (await json("lag")) as { partitions: object[] };
    expect(partitions).toMatchObject([
      { committed: 2, applied: 2, end: 2, records: 0, seconds: 0 },
      { committed: 2, applied: 2, end: 2, records: 0, seconds: 0 },
    ]);
  });

  test("replay of another deployment's Valkey is refused with 3", async () => {
    const { kafka, env } = await stage(1);
    await kafka.send([at(0, '{"id": "a"}')]);
    expect((await unstale(["replay", "--from", "0", "--apply"], env)).code).toBe(0);
    const other = { ...env, UNSTALE_ENTRY_PREFIX: "shop:" };
    const { code, stderr } = await unstale(["replay", "--from", "0", "--apply"], other);
    expect(code).toBe(3);
    expect(stderr).toContain("entryPrefix");
  });

  test("lag says what waits, and for how long, also while no worker runs", async () => {
    const { kafka, json, env } = await stage(1);
    await kafka.send([at(0, '{"id": "a"}'), at(0, '{"id": "b"}')]);
    expect(await json("lag")).toMatchObject({
      records: 2,
      partitions: [{ topic: kafka.topic, partition: 0, committed: null, applied: null, end: 2, records: 2 }],
    });
    const { stdout } = await unstale(["lag", "--set", "valkey.url=redis://127.0.0.1:1"], env);
    expect(stdout).toMatch(/^partition +committed +applied +end +lag +age\n\S+\/0 +- +- +2 +2 +\d+ s\n$/);
  });
});
