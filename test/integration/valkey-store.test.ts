// The contract of the port `CacheStore` on a real server; once more as one bucket of four, on a server in cluster mode,
// where a script that touches a key of another slot is an error.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createValkeyStore } from "@unstale/cache-core";
import { describeCacheStore } from "../contract/cache-store.ts";
import { describeWith, ownValkey } from "../support/services.ts";
import { Redis, valkeyScenes } from "../support/store-scene.ts";

/** A server for the tests of one block, and a client of it. */
function serverFor(config: readonly string[], setUp?: (client: Redis) => Promise<unknown>): () => Redis {
  let client: Redis | undefined;
  beforeAll(async () => {
    const { url } = await ownValkey({ config });
    client = new Redis(url);
    await setUp?.(client);
  }, 60_000);
  afterAll(() => client?.disconnect());
  return () => {
    if (!client) throw new Error("The server is not there yet.");
    return client;
  };
}

describeWith(["valkey"], "standalone", () => {
  describeCacheStore("the store on Valkey", valkeyScenes(serverFor(["maxmemory-policy noeviction"])));
});

describeWith(["valkey"], "in cluster mode", () => {
  const everySlot = (client: Redis) => client.call("CLUSTER", "ADDSLOTSRANGE", 0, 16_383);
  const client = serverFor(["cluster-enabled yes"], async (made) => {
    await everySlot(made);
    while (!String(await made.call("CLUSTER", "INFO")).includes("cluster_state:ok")) await made.ping();
  });
  describeCacheStore("the store on Valkey, one bucket of four", valkeyScenes(client, 4));
});

describeWith(["valkey"], "a Valkey whose memory is full (H17)", () => {
  const client = serverFor(["maxmemory 8mb", "maxmemory-policy noeviction"]);
  const makeScene = valkeyScenes(client);
  const fill = async (): Promise<void> => {
    for (let index = 0; ; index += 1) {
      const reply = await client()
        .set(`filler:${index}`, "x".repeat(64 * 1_024))
        .catch((error: Error) => error.message);
      if (reply !== "OK") break;
    }
    // Until not even a byte goes in.
    for (let index = 0; ; index += 1) {
      const reply = await client()
        .set(`crumb:${index}`, "x")
        .catch((error: Error) => error.message);
      if (reply !== "OK") return;
    }
  };

  test("still takes invalidations, drains, heartbeats and reads; a commit says that it cannot be written", async () => {
    const scene = await makeScene({ policy: { inlineLimit: 1 } });
    for (const query of ["q", "r"]) await scene.write(query, { sources: ["a"] });
    await scene.write("s", { sources: ["b"] });
    const lease = await scene.open();
    await fill();
    await expect(scene.write("t", { lease })).rejects.toMatchObject({
      code: "UNSTALE_VALKEY_UNAVAILABLE",
      retryable: true,
    });
    expect(await scene.read("q")).toMatchObject({ kind: "hit" });
    const reply = await scene.change("a", "b", "c");
    expect(reply).toMatchObject({ kind: "applied", deleted: 1, drains: [{ document: "a" }] });
    expect(await scene.read("q")).toMatchObject({ kind: "miss" });
    await fill();
    expect(await scene.drainAll(reply)).toBe(2);
    await fill();
    const partitions = [{ topic: "t", partition: 0 }];
    const heartbeat = await scene.store.heartbeat({ bucket: 0, partitions });
    expect(heartbeat).toMatchObject({ kind: "alive", drains: [] });
    expect(await scene.store.attach({ bucket: 0, topic: "t", partition: 0, offset: 1 })).toMatchObject({
      barrier: false,
    });
    await client().del("unstale:fence");
    await fill();
    expect((await scene.open()).birth).not.toBe(lease.birth);
  });
});

describeWith(["valkey"], "a Valkey left to itself", () => {
  const client = serverFor(["maxmemory 100mb", "maxmemory-policy allkeys-lru"]);
  const connect = () => createValkeyStore({ valkey: `redis://127.0.0.1:${client().options.port}` });

  test("gives time, replication id and nonces by itself, and another id after a restart of its replication", async () => {
    const store = connect();
    const before = Date.now() * 1_000;
    const first = await store.open({ bucket: 0 });
    if (first.kind !== "open") throw new Error(first.kind);
    const { snapshot } = first;
    expect(snapshot.at).toBeGreaterThan(before - 60_000_000);
    expect(snapshot.replicationId).toBeGreaterThan(2 ** 32);
    expect(Number.isSafeInteger(snapshot.birth)).toBe(true);
    expect(snapshot.birth).toBeGreaterThanOrEqual(2 ** 51);
    expect(await store.open({ bucket: 0 })).toMatchObject({ snapshot: { replicationId: snapshot.replicationId } });
    await client()
      .call("DEBUG", "CHANGE-REPL-ID")
      .catch(() => client().call("REPLICAOF", "127.0.0.1", "1"));
    await client().call("REPLICAOF", "NO", "ONE");
    const second = await store.open({ bucket: 0 });
    expect(second).toMatchObject({ kind: "open", snapshot: { birth: snapshot.birth } });
    if (second.kind === "open") expect(second.snapshot.replicationId).not.toBe(snapshot.replicationId);
    await store.close();
  });

  test("says what it is, and how many replicas acknowledged", async () => {
    const store = connect();
    expect(await store.serverInfo()).toMatchObject({
      role: "master",
      memoryPolicy: "allkeys-lru",
      maxMemory: 100 * 1_024 * 1_024,
      replicas: 0,
      clusterEnabled: false,
    });
    expect(await store.awaitReplicas({ replicas: 1, timeoutMs: 1 })).toBe(0);
    await store.close();
  });

  test("knows the scripts again after SCRIPT FLUSH", async () => {
    const store = connect();
    await store.open({ bucket: 0 });
    await client().call("SCRIPT", "FLUSH");
    expect(await store.open({ bucket: 0 })).toMatchObject({ kind: "open" });
    await store.close();
  });
});
