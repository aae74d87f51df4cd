// A replica is promoted that lacks the last batches: Valkey forgot what was acknowledged. Verified reads may be stale until
// the worker's heartbeat; reads of bounded staleness never are. The line that is printed is published in docs/guarantees.md.
import { afterEach, expect, jest, test } from "@jest/globals";
import { startValkeyReplica, type ValkeyHandle } from "../../../dev/services/index.ts";
import { describeWith, ownValkey } from "../../support/services.ts";
import { waitFor } from "../../support/wait-for.ts";
import { metric } from "../worker-process.ts";
import { openStateLossScene, operate } from "./scene.ts";
import { openSwitchboard } from "./switchboard.ts";

jest.setTimeout(120_000);

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const bounded = { after: [], maxStalenessMs: 3_000 };

async function open(env: Readonly<Record<string, string>> = {}) {
  const primary = await ownValkey();
  const replica = await startValkeyReplica(primary, { fresh: true });
  const address = await openSwitchboard(primary);
  const scene = await openStateLossScene({ valkey: address.url, env: { UNSTALE_VALKEY_URL: address.url, ...env } });
  closing.push(
    () => replica.stop(),
    () => address.close(),
    () => scene.close(),
  );
  return { ...scene, primary, replica, address };
}

/** It keeps what it has, and hears of nothing more. */
async function cutOff(replica: ValkeyHandle, primary: ValkeyHandle): Promise<void> {
  await operate(primary, (redis) => redis.call("WAIT", 1, 10_000));
  await operate(replica, (redis) => redis.call("REPLICAOF", "127.0.0.1", "1"));
}

describeWith(["kafka", "valkey"], "a failover that loses the last writes", () => {
  test("is noticed by the heartbeat, replayed, and leaves nothing stale; bounded reads never were", async () => {
    const { fill, edit, acknowledged, stale, served, ids, worker, primary, replica, address } = await open();
    await fill();
    await waitFor(async () => (await served(bounded)).length === ids.length);
    await cutOff(replica, primary);
    await edit(ids.slice(0, 20));
    await acknowledged();
    expect(await stale()).toEqual([]);

    await primary.kill();
    await operate(replica, (redis) => redis.call("REPLICAOF", "NO", "ONE"));
    const promotedAt = performance.now();
    address.lead(replica);
    let [lastStaleAt, staleReads, staleBounded, looks] = [promotedAt, 0, 0, 0];
    const repaired = async (): Promise<boolean> => {
      const [plain, strict] = await Promise.all([stale(), stale(bounded)]);
      looks += 1;
      staleReads += plain.length;
      staleBounded += strict.length;
      if (plain.length > 0) lastStaleAt = performance.now();
      return (await metric(worker, "unstale_worker_rollbacks_total")) > 0 && plain.length === 0;
    };
    await waitFor(repaired);
    // From then on bounded reads are served again, and what they serve is true.
    await waitFor(async () => (await served(bounded)).length === ids.length - 20);
    expect([await stale(), await stale(bounded), staleBounded]).toEqual([[], [], 0]);
    const window = Math.round(lastStaleAt - promotedAt);
    console.info(
      `FAILOVER promotion to repair: ${window} ms; ${staleReads} stale verified reads in ${looks} looks at ${ids.length} ` +
        `documents, 0 stale of bounded reads`,
    );
    await fill();
    await waitFor(async () => (await served(bounded)).length === ids.length);
  });

  test("on partitions that are idle is noticed as well", async () => {
    const { fill, edit, acknowledged, stale, ids, worker, primary, replica, address } = await open();
    await cutOff(replica, primary);
    await fill();
    await edit(ids);
    await acknowledged();
    await primary.kill();
    await operate(replica, (redis) => redis.call("REPLICAOF", "NO", "ONE"));
    address.lead(replica);
    await waitFor(async () => (await metric(worker, "unstale_worker_rollbacks_total")) === 2);
    await waitFor(async () => (await stale()).length === 0);
    // Written before the failover, under a lease of the old server: nothing of it comes back.
    await fill();
    await edit(ids.slice(0, 3));
    await acknowledged();
    expect(await stale()).toEqual([]);
  });

  test("loses nothing that was acknowledged where replicas must acknowledge: without them nothing is", async () => {
    const { fill, edit, acknowledged, stale, served, ids, worker, kafka, primary, replica, address } = await open({
      UNSTALE_VALKEY_REPLICA_ACKS: "1",
    });
    await fill();
    await cutOff(replica, primary);
    await edit(ids.slice(0, 20));
    await waitFor(async () => (await worker.get("/readyz?verbose")).text.includes("replicas of Valkey to acknowledge"));
    expect((await kafka.committed()).every((offset) => (offset ?? 0n) === 0n)).toBe(true);
    // Nothing old is served all the same: only the acknowledgement waits.
    expect(await stale()).toEqual([]);

    await operate(replica, (redis) => redis.call("REPLICAOF", primary.host, String(primary.port)));
    await acknowledged();
    await primary.kill();
    await operate(replica, (redis) => redis.call("REPLICAOF", "NO", "ONE"));
    address.lead(replica);
    // Confirmed on the new server: the worker has compared what is applied there.
    await waitFor(async () => (await served(bounded)).length === ids.length - 20);
    expect(await stale()).toEqual([]);
    expect(await metric(worker, "unstale_worker_rollbacks_total")).toBe(0);
  });
});
