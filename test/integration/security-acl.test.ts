// The rights that docs/security.md gives are enough, and each of them is needed.
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import { createValkeyStore, SmartCache } from "@unstale/cache-core";
import { Redis } from "iovalkey";
import type { ValkeyHandle } from "../../dev/services/index.ts";
import { trialOfScripts } from "../../worker/doctor/script-trial.ts";
import { documentedUser } from "../support/documented-rights.ts";
import { describeWith, ownValkey } from "../support/services.ts";
import { endAll, unstale } from "./worker-process.ts";

jest.setTimeout(180_000);
afterEach(endAll);

const password = "Pa55-in-Valkey";

/** Everything that a worker, and a program that invalidates by itself, ever asks of Valkey. */
async function workersJob(url: string): Promise<void> {
  const policy = { inlineLimit: 2, maxFences: 3 };
  const store = createValkeyStore({ valkey: url, policy, timeoutMs: 10_000 });
  const cache = new SmartCache({ store, onWarning: () => undefined });
  try {
    await store.serverInfo();
    await store.awaitReplicas({ replicas: 0, timeoutMs: 10 });
    await producersJob(cache);
    const many = ["a", "b", "c", "d", "e"];
    for (const query of many) await cache.set(query, "x", { sources: ["article:many"], namespace: "docs:technical" });
    // Larger than the inline limit: taken away by RENAME, then drained.
    await cache.invalidateSource("article:many");
    await cache.invalidateSource(many);
    await cache.set("plain", "x", { sources: ["article:1"] });
    await cache.invalidateNamespace("docs");
    await cache.invalidateAll();
    expect((await trialOfScripts(store)).filter(({ problem }) => problem !== undefined)).toEqual([]);
    await store.deployment();
    await store.heartbeat({ bucket: 0, partitions: [{ topic: "t", partition: 0 }] });
  } finally {
    await cache.close();
    await store.close();
  }
}

async function producersJob(cache: SmartCache): Promise<void> {
  const options = { namespace: "docs:technical", sources: ["article:1", "article:2"] };
  const miss = await cache.get("question", options);
  if (miss.hit) throw new Error("Expected a miss.");
  expect(await cache.set("question", "one", { ...options, lease: miss.lease })).toEqual({
    written: true,
    fenced: true,
  });
  expect(await cache.set("question", "two", { ...options, sources: ["article:3"] })).toMatchObject({ written: true });
  expect(await cache.get("question", options)).toMatchObject({ hit: true, response: "two" });
  const filled = await cache.getOrSet("other", () => "answer", { sources: ["article:1"], ttl: "1h" });
  expect(filled.status).toBe("filled");
  expect(await cache.getOrSet("other", () => "no", {})).toMatchObject({ status: "hit", response: "answer" });
}

describeWith(["valkey"], "the documented rights of Valkey users", () => {
  let valkey: ValkeyHandle;
  let admin: Redis;

  beforeAll(async () => {
    valkey = await ownValkey();
    admin = new Redis(valkey.url);
    await admin.ping();
  });
  afterAll(() => admin.quit());

  const urlOf = (user: string): string => `redis://${user}:${password}@${valkey.host}:${valkey.port}`;
  const setUser = async (words: readonly string[]): Promise<void> => {
    await admin.call(words[0] ?? "", ...words.slice(1));
    await admin.flushdb();
    // The first call of each script sends it whole.
    await admin.script("FLUSH");
    await admin.call("ACL", "LOG", "RESET");
  };
  /** The commands and keys that were refused since. */
  const refused = async (): Promise<string[]> => {
    const log = (await admin.call("ACL", "LOG")) as string[][];
    return [...new Set(log.map((entry) => `${entry[3] === "auth" ? "auth" : entry[7]}`))];
  };
  const jobs = {
    worker: workersJob,
    producer: async (url: string) => {
      const cache = new SmartCache({ valkey: url, onWarning: () => undefined });
      await producersJob(cache).finally(() => cache.close());
    },
  };

  test.each(["worker", "producer"] as const)("%s: they are enough, and each is needed", async (role) => {
    const words = documentedUser(role, password);
    await setUser(words);
    await jobs[role](urlOf(`unstale-${role}`));
    expect(await refused()).toEqual([]);
    const unneeded: string[] = [];
    for (const right of words.filter((word) => word.startsWith("+"))) {
      await setUser([...words, right.replace("+", "-")]);
      await jobs[role](urlOf(`unstale-${role}`)).catch(() => undefined);
      if (!(await refused()).includes(right.slice(1))) unneeded.push(right);
    }
    for (const pattern of words.filter((word) => word.startsWith("~"))) {
      await setUser(words.filter((word) => word !== pattern));
      await jobs[role](urlOf(`unstale-${role}`)).catch(() => undefined);
      if ((await refused()).length === 0) unneeded.push(pattern);
    }
    expect(unneeded).toEqual([]);
  });

  test("a producer's user can neither invalidate nor leave its keys", async () => {
    await setUser(documentedUser("producer", password));
    const client = new Redis(urlOf("unstale-producer"));
    const cache = new SmartCache({ valkey: client });
    await expect(cache.invalidateSource("article:1")).rejects.toThrow(/permissions.*Check user, password and ACL/i);
    await expect(cache.invalidateAll()).rejects.toThrow(/permissions.*Check user, password and ACL/i);
    await expect(client.set("session:1", "x")).rejects.toThrow(/NOPERM/);
    await expect(client.call("FLUSHALL")).rejects.toThrow(/NOPERM/);
    await expect(client.call("CONFIG", "GET", "*")).rejects.toThrow(/NOPERM/);
    await cache.close();
    await client.quit();
  });

  test("without INFO everything works, and doctor says what that costs", async () => {
    await setUser([...documentedUser("worker", password), "-info"]);
    await workersJob(urlOf("unstale-worker"));
    const env = { UNSTALE_VALKEY_URL: urlOf("unstale-worker"), UNSTALE_KAFKA_BROKERS: "127.0.0.1:1" };
    const { stdout } = await unstale(["doctor"], env);
    expect(stdout).toMatch(/^warn +valkey +answers at .*may not run INFO, so promotions are not noticed/m);
    expect(stdout).toMatch(/^ok +scripts/m);
    expect(stdout).not.toContain(password);
  });

  test.each([
    { name: "a wrong password", url: () => urlOf("unstale-worker").replace(password, "no"), says: /WRONGPASS/ },
    { name: "no login", url: () => urlOf("").replace(/\/\/.*@/, "//"), says: /NOAUTH/ },
    { name: "a user without rights", url: () => urlOf("unstale-nobody"), says: /NOPERM/ },
  ])("$name: one line that says what to do, and exit code 1", async ({ url, says }) => {
    await setUser(documentedUser("worker", password));
    await setUser(["ACL", "SETUSER", "unstale-nobody", "reset", "on", `>${password}`]);
    await admin.call("ACL", "SETUSER", "default", "resetpass", ">admin");
    try {
      const env = { UNSTALE_VALKEY_URL: url(), UNSTALE_KAFKA_BROKERS: "127.0.0.1:1", UNSTALE_HTTP_PORT: "0" };
      const { code, stdout, stderr } = await unstale(["run"], env);
      const fatal = stdout.split("\n").filter((line) => line.includes('"level":"fatal"'));
      expect({ code, fatal }).toEqual({ code: 1, fatal: [expect.stringMatching(says)] });
      expect(fatal[0]).toMatch(/Correct user and password|Check user, password and ACL/);
      expect(`${stdout}${stderr}`).not.toMatch(/ {4}at |"stack"/);
      const doctor = await unstale(["doctor"], env);
      expect(doctor.stdout.split("\n").filter((line) => /^FAIL +valkey/.test(line))).toEqual([
        expect.stringMatching(says),
      ]);
    } finally {
      await admin.call("ACL", "SETUSER", "default", "nopass");
    }
  });
});
