import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "@jest/globals";
import { startValkeyCluster, type ValkeyClusterHandle } from "../../../dev/services/index.ts";
import { describeWith, ownValkeyCluster } from "../../support/services.ts";
import { waitFor } from "../../support/wait-for.ts";

/** `CLUSTER KEYSLOT foo`. */
const slot = 12_182;

async function otherThan(cluster: ValkeyClusterHandle, node: { readonly id: string }) {
  const other = (await cluster.primaries()).find(({ id }) => id !== node.id);
  if (!other) throw new Error("There is only one primary.");
  return other;
}

describeWith(["valkey"], "a Valkey Cluster of our own", () => {
  test("moves a slot with its keys, and asks to go elsewhere for those that are gone already", async () => {
    const cluster = await ownValkeyCluster({ replicas: 0 });
    const source = await cluster.primaryOf(slot);
    const target = await otherThan(cluster, source);
    await source.ask(["SET", "{foo}:1", "a"], ["SET", "{foo}:2", "b"]);
    const move = await cluster.beginMove(slot, target);
    await move.key("{foo}:1");
    await expect(source.ask(["GET", "{foo}:1"])).rejects.toThrow(/^ASK 12182/);
    await expect(source.ask(["MGET", "{foo}:1", "{foo}:2"])).rejects.toThrow(/^TRYAGAIN/);
    await move.end();
    expect(await target.ask(["MGET", "{foo}:1", "{foo}:2"])).toEqual(["a\nb"]);
    expect((await cluster.primaryOf(slot)).id).toBe(target.id);
    await cluster.healthy();
  }, 60_000);

  test("promotes the replica of a primary that was killed, and takes the old one back", async () => {
    const cluster = await ownValkeyCluster();
    expect(await cluster.primaries()).toHaveLength(3);
    const primary = await cluster.primaryOf(slot);
    const [replica] = await cluster.replicasOf(primary);
    await primary.kill();
    await waitFor(async () => (await cluster.primaryOf(slot)).id === replica?.id);
    await cluster.healthy();
    await primary.restart();
    await waitFor(async () => (await cluster.replicasOf(replica ?? primary)).length === 1);
  }, 60_000);

  test("leaves nothing behind when stopped", async () => {
    const cluster = await startValkeyCluster({ primaries: 1, replicas: 0 });
    const [node] = cluster.nodes;
    const { pid, logFile } = node ?? {};
    await cluster.stop();
    await cluster.stop();
    expect(() => process.kill(pid ?? 0, 0)).toThrow(/ESRCH/);
    expect(existsSync(dirname(logFile ?? ""))).toBe(false);
  }, 60_000);
});
