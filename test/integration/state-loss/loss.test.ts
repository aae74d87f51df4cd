// Valkey loses what judges its entries, in part or whole, while a worker runs. Afterwards nothing stale is served, and the
// cache works.
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import type { Redis } from "iovalkey";
import type { ValkeyHandle } from "../../../dev/services/index.ts";
import { describeWith, ownValkey } from "../../support/services.ts";
import { waitFor } from "../../support/wait-for.ts";
import { metric } from "../worker-process.ts";
import { openStateLossScene, operate } from "./scene.ts";

jest.setTimeout(120_000);

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open(config: readonly string[] = [], closeWith = closing) {
  const valkey = await ownValkey({ config });
  const scene = await openStateLossScene({ valkey: valkey.url, env: { UNSTALE_VALKEY_URL: valkey.url } });
  closeWith.push(
    () => valkey.stop(),
    () => scene.close(),
  );
  return { ...scene, valkey };
}

const evict = (key: string) => (redis: Redis) => redis.del(key);

describeWith(["kafka", "valkey"], "Valkey loses its state", () => {
  // One worker for all of it: what one loss left behind is where the next one begins.
  let scene: Awaited<ReturnType<typeof open>>;
  const closingLast: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    scene = await open([], closingLast);
  });
  afterAll(async () => {
    for (const close of closingLast.reverse()) await close();
  });

  test.each<[string, (redis: Redis) => Promise<unknown>]>([
    ["SCRIPT FLUSH", (redis) => redis.script("FLUSH")],
    ["eviction of the watermark", evict("unstale:fresh")],
    ["eviction of the deployment record", evict("unstale:config")],
    ["eviction of the document versions", evict("unstale:versions")],
    ["eviction of the version tag", evict("cache:version")],
    ["eviction of the fences", evict("unstale:fence")],
    ["eviction of the account", evict("unstale:state")],
    ["FLUSHALL", (redis) => redis.flushall()],
  ])("%s: nothing stale is served, and the cache works again", async (_, lose) => {
    const { fill, edit, acknowledged, stale, served, ids, valkey } = scene;
    await fill();
    await edit(ids.slice(0, 10));
    await acknowledged();
    await operate(valkey, lose);
    expect(await stale()).toEqual([]);
    await edit(ids.slice(10, 20));
    await acknowledged();
    expect(await stale()).toEqual([]);
    await fill();
    const bounded = { after: [], maxStalenessMs: 5_000 };
    await waitFor(async () => (await served(bounded)).length === ids.length);
    expect([await stale(), await stale(bounded)]).toEqual([[], []]);
  });
});

describeWith(["kafka", "valkey"], "Valkey comes back with less", () => {
  test("a restart without anything on disk: everything is a miss, and the worker widens what it cannot know", async () => {
    const { fill, edit, acknowledged, stale, served, ids, valkey, worker } = await open();
    await fill();
    await edit(ids.slice(0, 10));
    await acknowledged();
    await valkey.kill();
    await valkey.restart();
    expect(await served()).toEqual([]);
    await waitFor(async () => (await metric(worker, "unstale_worker_barriers_total", 'reason="lost"')) > 0);
    await fill();
    await edit(ids.slice(0, 5));
    await acknowledged();
    expect(await stale()).toEqual([]);
  });

  test("a restore of an old RDB is replayed from where it was", async () => {
    const { fill, edit, acknowledged, stale, ids, valkey, worker } = await open();
    await fill();
    await saved(valkey);
    await edit(ids.slice(0, 10));
    await acknowledged();
    await valkey.kill();
    await valkey.restart();
    await waitFor(async () => (await metric(worker, "unstale_worker_rollbacks_total")) > 0);
    await waitFor(async () => (await stale()).length === 0);
    expect(await operate(valkey, (redis) => redis.exists("unstale:fence"))).toBe(1);
    expect(await metric(worker, "unstale_worker_barriers_total")).toBe(0);
  });
});

async function saved(valkey: ValkeyHandle): Promise<void> {
  await operate(valkey, (redis) => redis.call("SAVE"));
}
