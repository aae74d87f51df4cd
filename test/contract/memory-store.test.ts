import { memoryScenes } from "../support/store-scene.ts";
import { describeCacheStore } from "./cache-store.ts";

describeCacheStore("the store in memory", memoryScenes());
describeCacheStore("the store in memory, one bucket of four", memoryScenes(4));
