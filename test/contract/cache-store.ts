// What every implementation of the port `CacheStore` must do, told from outside: replies of its steps, and what lies in the
// keyspace afterwards. Tests cite the invariants I1 to I9 of ARCHITECTURE.md and the holes H1 to H24 that they guard.
import { describe } from "@jest/globals";
import type { MakeScene } from "../support/store-scene.ts";
import { describeDemands } from "./cache-store-demands.ts";
import { describeDrains } from "./cache-store-drains.ts";
import { describeEntries } from "./cache-store-entries.ts";
import { describeForeignKeys } from "./cache-store-foreign.ts";
import { describeIndex } from "./cache-store-index.ts";
import { describeInvalidation } from "./cache-store-invalidation.ts";
import { describeLoss } from "./cache-store-loss.ts";
import { describeState } from "./cache-store-state.ts";
import { describeVersions } from "./cache-store-versions.ts";

export function describeCacheStore(name: string, makeScene: MakeScene): void {
  describe(name, () => {
    describeEntries(makeScene);
    describeIndex(makeScene);
    describeInvalidation(makeScene);
    describeDrains(makeScene);
    describeVersions(makeScene);
    describeState(makeScene);
    describeLoss(makeScene);
    describeDemands(makeScene);
    describeForeignKeys(makeScene);
  });
}
