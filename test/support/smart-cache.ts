import {
  cacheError,
  createMemoryStore,
  type MemoryStore,
  SmartCache,
  type SmartCacheSettings,
} from "@unstale/cache-core";
import { ManualClock } from "./manual-clock.ts";
import { type ScriptedStore, scriptedStore } from "./scripted-store.ts";

export interface TestCache {
  readonly cache: SmartCache;
  readonly store: ScriptedStore;
  readonly memory: MemoryStore;
  readonly clock: ManualClock;
  /** Another cache on the same store: another process, as it were. */
  another(settings?: SmartCacheSettings): SmartCache;
  /** Closes all caches, and tells how many timers are left. */
  end(): Promise<number>;
}

/** A cache in memory, on a clock that stands still, with a store that can be made to do anything. */
export function testCache(settings: SmartCacheSettings = {}): TestCache {
  const clock = new ManualClock();
  const layout = settings.buckets === undefined ? {} : { buckets: settings.buckets };
  const policy = settings.buckets === undefined ? {} : { foreignWriters: false };
  const memory = createMemoryStore({ clock, layout, policy });
  const store = scriptedStore(memory);
  const caches: SmartCache[] = [];
  const another = (other: SmartCacheSettings = {}): SmartCache => {
    const cache = new SmartCache({ onWarning: () => undefined, ...settings, ...other, clock, store });
    caches.push(cache);
    return cache;
  };
  const cache = another();
  return {
    cache,
    store,
    memory,
    clock,
    another,
    end: async () => {
      await Promise.all(caches.map((one) => one.close()));
      return clock.sleeping;
    },
  };
}

export const outage = cacheError("UNSTALE_VALKEY_UNAVAILABLE", "Valkey is away.");
