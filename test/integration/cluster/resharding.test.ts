// A slot on its way from one primary to another (H13): keys are at two ends, and no end knows what the other has.
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { createValkeyStore } from "@unstale/cache-core";
import { hashSlot } from "../../../cache-core/hash-slot.ts";
import type { ClusterNode, SlotMove, ValkeyClusterHandle } from "../../../dev/services/index.ts";
import { clientOf, otherPrimary } from "../../support/cluster.ts";
import { describeWith, ownValkeyCluster } from "../../support/services.ts";
import { type Cluster, type Scene, type SceneOptions, valkeyScenes } from "../../support/store-scene.ts";
import { waitFor } from "../../support/wait-for.ts";

const buckets = 4;
const slot = hashSlot("{2}");

let cluster: ValkeyClusterHandle;
let client: Cluster;

const moves: SlotMove[] = [];

interface Moving extends Scene {
  readonly source: ClusterNode;
  readonly move: SlotMove;
}

async function settled(options?: SceneOptions): Promise<Scene> {
  return valkeyScenes(() => client, buckets)(options);
}

/** From now on the bucket's keys are on their way, those named here first. */
async function moving(scene: Scene, ...keys: readonly string[]): Promise<Moving> {
  const source = await cluster.primaryOf(slot);
  const move = await cluster.beginMove(slot, await otherPrimary(cluster, slot));
  moves.push(move);
  for (const key of keys) await move.key(key);
  return { ...scene, source, move };
}

describeWith(["valkey"], "while a bucket's slot moves", () => {
  beforeAll(async () => {
    cluster = await ownValkeyCluster({ replicas: 0 });
    client = await clientOf(cluster);
  }, 60_000);
  // One that a failed test left behind would fail all others.
  afterEach(async () => {
    for (const move of moves.splice(0)) await move.end();
  });
  afterAll(() => client?.disconnect());

  test("a change is not acknowledged on a set that has left, and no entry is served from its fence on (H13)", async () => {
    const scene = await settled();
    await scene.write("q", { sources: ["a"] });
    await scene.write("r", { sources: ["b"] });
    const entry = await scene.keyOf("q");
    // The set has left, its entry not yet: a script that did not declare the set would find it empty, and acknowledge.
    const { move } = await moving(scene, scene.setOf("a"));
    let acknowledged = false;
    const change = scene.change("a").then((reply) => {
      acknowledged = true;
      return reply;
    });
    const fenced = async (): Promise<boolean> => (await scene.raw.zscore(scene.keys.fence(2), "a")) !== undefined;
    await waitFor(fenced);
    expect(acknowledged).toBe(false);
    expect(await scene.raw.exists(entry)).toBe(true);
    await move.end();
    expect(await change).toMatchObject({ kind: "applied", deleted: 1 });
    expect(await scene.read("q")).toMatchObject({ kind: "miss" });
    expect(await scene.read("r")).toMatchObject({ kind: "hit" });
    expect(await scene.raw.exists(entry)).toBe(false);
  });

  test("the fence goes where the other fences are", async () => {
    const scene = await settled();
    await scene.write("q", { sources: ["a"] });
    const { move } = await moving(scene, scene.keys.fence(2));
    const change = scene.change("a");
    await waitFor(async () => (await scene.raw.zscore(scene.keys.fence(2), "a")) !== undefined);
    await move.end();
    expect(await change).toMatchObject({ kind: "applied", born: false, deleted: 1 });
  });

  test("an entry is a miss while it is away from its fence, and a hit again when they are together", async () => {
    const scene = await settled();
    await scene.write("q", { sources: ["a"] });
    const { move } = await moving(scene, await scene.keyOf("q"));
    await expect(scene.read("q")).rejects.toMatchObject({ code: "UNSTALE_VALKEY_UNAVAILABLE", retryable: true });
    await move.end();
    expect(await scene.read("q")).toMatchObject({ kind: "hit" });
  });

  test("a commit is refused, or done as a whole", async () => {
    const scene = await settled();
    const lease = await scene.open();
    const { move } = await moving(scene);
    await expect(scene.write("q", { sources: ["a"], lease })).rejects.toMatchObject({ retryable: true });
    expect((await scene.raw.keys()).filter((key) => key.startsWith("cache:v") && !key.includes("version"))).toEqual([]);
    await move.end();
    expect(await scene.write("q", { sources: ["a"], lease })).toMatchObject({ kind: "written" });
  });

  test.each([
    ["one member", 1],
    ["many members", 20],
  ])("a set of %s is not taken for done while a member is at the other end", async (_, members) => {
    const scene = await settled();
    for (let index = 0; index < members; index += 1) await scene.write(`q${index}`, { sources: ["a"] });
    await scene.raw.hset(scene.keys.draining(2), { other: "0.0:0:0" });
    await scene.raw.hset(scene.keys.state(2), { any: "1" });
    await scene.raw.sadd(scene.setOf("a", 1), "elsewhere");
    const left = await scene.keyOf("q0");
    // Everything that the call names is at the new end, so that it is let in there; one member is not.
    const named = [
      scene.keys.fence(2),
      scene.keys.documentVersions(2),
      scene.keys.state(2),
      scene.keys.draining(2),
      scene.keys.versionCounters({ bucket: 2 })[0],
      scene.setOf("a"),
      scene.setOf("a", 1),
    ];
    const { move } = await moving(scene, ...named);
    const change = scene.change("a");
    await waitFor(async () => (await scene.raw.zscore(scene.keys.fence(2), "a")) !== undefined);
    expect(await scene.raw.smembers(scene.setOf("a"))).toContain(left);
    await move.end();
    expect(await change).toMatchObject({ deleted: members });
    expect(await scene.raw.exists(left)).toBe(false);
  });

  test.each([
    ["one member", 2],
    ["many members", 20],
  ])("a drain of %s waits for those at the other end", async (_, members) => {
    const scene = await settled({ policy: { inlineLimit: 1 } });
    for (let index = 0; index < members; index += 1) await scene.write(`q${index}`, { sources: ["a"] });
    const reply = await scene.change("a");
    const [drain] = reply.drains;
    if (!drain) throw new Error("nothing was taken");
    if (members === 2) await scene.raw.del(await scene.keyOf("q1"));
    const set = `${scene.keys.drainPrefix(2)}${drain.token}:${drain.document}`;
    if (members === 2) await scene.raw.srem(set, await scene.keyOf("q1"));
    const { move } = await moving(scene, scene.keys.draining(2), set);
    const step = () => scene.store.drain({ drain, cursor: "0", count: 100 });
    await expect(step()).rejects.toMatchObject({ code: "UNSTALE_VALKEY_UNAVAILABLE" });
    await move.end();
    expect(await step()).toMatchObject({ kind: "finished", deleted: members === 2 ? 1 : members });
  });

  test("a sweep deletes what is at either end", async () => {
    const scene = await settled();
    for (const query of ["q", "r", "s"]) await scene.write(query);
    const old = await Promise.all(["q", "r", "s"].map((query) => scene.keyOf(query)));
    await scene.invalidate({ scopes: [{}] });
    const { move } = await moving(scene, old[0] ?? "");
    for (let cursor: string | undefined; cursor !== "0"; ) {
      const reply = await scene.store.sweep({ cursor: cursor ?? "0", count: 100 });
      if (reply.kind !== "swept") throw new Error(reply.kind);
      cursor = reply.cursor;
    }
    for (const key of old) expect(await scene.raw.exists(key)).toBe(false);
    await move.end();
  });

  test("who does not give up in time says that the slot moves, and repeats it", async () => {
    const scene = await settled();
    await scene.write("q", { sources: ["a"] });
    const { move } = await moving(scene, scene.setOf("a"));
    const store = createValkeyStore({ valkey: cluster.url, layout: { buckets }, timeoutMs: 300 });
    const change = () => store.invalidate({ bucket: 2, documents: [{ id: "a" }], scopes: [] });
    await expect(change()).rejects.toMatchObject({
      code: "UNSTALE_VALKEY_UNAVAILABLE",
      details: { reply: "TRYAGAIN" },
    });
    await move.end();
    expect(await change()).toMatchObject({ kind: "applied", deleted: 1 });
    await store.close();
  });
});
