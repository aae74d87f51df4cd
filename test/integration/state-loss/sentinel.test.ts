// Sentinel promotes a replica that lacks the last batches. Worker and producers find the new primary by themselves.
import { afterEach, expect, jest, test } from "@jest/globals";
import { SmartCache } from "@unstale/cache-core";
import { startSentinel, startValkeyReplica } from "../../../dev/services/index.ts";
import { describeWith, ownValkey } from "../../support/services.ts";
import { waitFor } from "../../support/wait-for.ts";
import { metric } from "../worker-process.ts";
import { openStateLossScene, operate } from "./scene.ts";

jest.setTimeout(120_000);

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

describeWith(["kafka", "valkey"], "a failover by Sentinel", () => {
  test("that lost the last writes is repaired: worker and library follow, nothing stale stays", async () => {
    const primary = await ownValkey();
    const replica = await startValkeyReplica(primary, { fresh: true });
    const sentinel = await startSentinel(primary, { downAfterMs: 1_500 });
    const { host, port, name } = sentinel;
    const valkey = { sentinels: [{ host, port }], name };
    const env = { UNSTALE_VALKEY_SENTINELS: `${host}:${port}`, UNSTALE_VALKEY_SENTINEL_NAME: name };
    const scene = await openStateLossScene({ valkey, env });
    const cache = new SmartCache({ valkey, onWarning: () => undefined });
    closing.push(
      () => replica.stop(),
      () => sentinel.stop(),
      () => scene.close(),
      () => cache.close(),
    );
    const { fill, edit, acknowledged, stale, ids, worker } = scene;
    await fill();
    // The Sentinel knows of the replica, and the replica has everything.
    await waitFor(() =>
      operate(sentinel, async (redis) => replicasOf(await redis.call("SENTINEL", "REPLICAS", name)) === 1),
    );
    await operate(primary, (redis) => redis.call("WAIT", 1, 10_000));
    // From now on nothing that is written gets there; a Sentinel takes some seconds to mend that.
    await operate(replica, (redis) => redis.call("REPLICAOF", "127.0.0.1", "1"));
    await edit(ids.slice(0, 20));
    await acknowledged();
    expect(await stale()).toEqual([]);
    await primary.kill();

    await waitFor(async () => (await metric(worker, "unstale_worker_rollbacks_total")) > 0, 60_000);
    await waitFor(async () => (await stale()).length === 0);
    await fill();
    await edit(ids.slice(0, 5));
    await acknowledged();
    expect(await stale()).toEqual([]);
    // The library follows, too.
    await waitFor(async () => (await cache.getOrSet("q", () => "a")).status === "filled" || (await cache.get("q")).hit);
    expect(await operate(replica, (redis) => redis.role())).toContain("master");
  });
});

function replicasOf(reply: unknown): number {
  return Array.isArray(reply) ? reply.length : 0;
}
