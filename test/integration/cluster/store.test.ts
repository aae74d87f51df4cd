// The contract of the port `CacheStore` on a real cluster: bucket 2 of 4, the four on different primaries.
import { afterAll, beforeAll } from "@jest/globals";
import { describeCacheStore } from "../../contract/cache-store.ts";
import { clientOf } from "../../support/cluster.ts";
import { describeWith, ownValkeyCluster } from "../../support/services.ts";
import { type Cluster, valkeyScenes } from "../../support/store-scene.ts";

describeWith(["valkey"], "on three primaries", () => {
  let client: Cluster | undefined;
  beforeAll(async () => {
    client = await clientOf(await ownValkeyCluster({ replicas: 0, config: ["maxmemory-policy noeviction"] }));
  }, 60_000);
  afterAll(() => client?.disconnect());
  const connected = (): Cluster => {
    if (!client) throw new Error("The cluster is not there yet.");
    return client;
  };
  describeCacheStore("the store on a Valkey Cluster, one bucket of four", valkeyScenes(connected, 4));
});
