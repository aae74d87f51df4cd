// What tests on a real Valkey Cluster share.
import { once } from "node:events";
import type { ClusterNode, ValkeyClusterHandle } from "../../dev/services/index.ts";
import { Cluster } from "./store-scene.ts";

/** A client of the cluster, connected to each primary. The caller disconnects it. */
export async function clientOf(cluster: ValkeyClusterHandle): Promise<Cluster> {
  const client = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })));
  await once(client, "ready");
  await Promise.all(client.nodes("master").map((node) => node.ping()));
  return client;
}

/** A primary that does not serve the slot. */
export async function otherPrimary(cluster: ValkeyClusterHandle, slot: number): Promise<ClusterNode> {
  const owner = await cluster.primaryOf(slot);
  const other = (await cluster.primaries()).find(({ id }) => id !== owner.id);
  if (!other) throw new Error("There is only one primary.");
  return other;
}
