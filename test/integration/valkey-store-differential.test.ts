// The store in memory is a second writing of the scripts, and tests elsewhere trust it: here both make the same random
// moves, and must give the same replies and leave the same keys. fast-check prints seed and path of a difference, shrunk.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { describeWith, ownValkey } from "../support/services.ts";
import { anyMove, createPlayer, type Move } from "../support/store-moves.ts";
import {
  contentOf,
  type MakeScene,
  memoryScenes,
  Redis,
  type SceneOptions,
  valkeyScenes,
} from "../support/store-scene.ts";

/** More runs: `DIFFERENTIAL_RUNS=5000`; the same run again: `DIFFERENTIAL_SEED=…`. */
const numRuns = Number(process.env.DIFFERENTIAL_RUNS ?? 60);
const seed = Number(process.env.DIFFERENTIAL_SEED ?? Date.now());

// Bounds so low that short plays reach them.
const tight = { maxFences: 2, inlineLimit: 1, callBudget: 2, maxTtlMs: 120_000 };

describeWith(["valkey"], `the store in memory and the one on Valkey, seed ${seed}`, () => {
  let client: Redis | undefined;
  beforeAll(async () => {
    client = new Redis((await ownValkey()).url);
  }, 60_000);
  afterAll(() => client?.disconnect());
  const valkey = (): Redis => {
    if (!client) throw new Error("The server is not there yet.");
    return client;
  };

  const compare = async (makers: readonly [MakeScene, MakeScene], { moves, options }: Play): Promise<void> => {
    const [memory, real] = [await makers[0](options), await makers[1](options)];
    const [inMemory, onValkey] = [createPlayer(memory), createPlayer(real)];
    for (const [index, move] of moves.entries()) {
      const expected = await inMemory.play(move);
      const reply = await onValkey.play(move);
      expect({ move, reply }).toEqual({ move, reply: expected });
      if (index % 8 !== 7 && index < moves.length - 1) continue;
      expect({ move, content: await contentOf(real.raw) }).toEqual({ move, content: await contentOf(memory.raw) });
    }
  };

  interface Play {
    readonly moves: readonly Move[];
    readonly options: SceneOptions;
  }

  test.each([
    ["with foreign writers", 1, { ...tight }],
    ["without foreign writers", 1, { ...tight, foreignWriters: false }],
    ["with roomy bounds", 1, {}],
    ["as one bucket of four", 4, { ...tight, foreignWriters: false }],
  ])(
    "say and do the same %s",
    async (_, buckets, policy) => {
      const makers = [memoryScenes(buckets), valkeyScenes(valkey, buckets)] as const;
      const plays = fc.asyncProperty(fc.array(anyMove, { minLength: 5, maxLength: 40, size: "max" }), (moves) =>
        compare(makers, { moves, options: { policy } }),
      );
      await fc.assert(plays, { numRuns, seed, endOnFailure: false });
    },
    120_000 + numRuns * 400,
  );
});
