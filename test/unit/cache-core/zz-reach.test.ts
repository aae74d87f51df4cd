import { test } from "@jest/globals";
import { writeFileSync } from "node:fs";
import fc from "fast-check";
import { anyMove, createPlayer } from "../../support/store-moves.ts";
import { memoryScenes } from "../../support/store-scene.ts";
test("reach", async () => {
  const counts: Record<string, number> = {};
  for (const moves of fc.sample(fc.array(anyMove, { minLength: 5, maxLength: 40, size: "max" }), 1000)) {
    const p = createPlayer(await memoryScenes()({ policy: { maxFences: 2, inlineLimit: 1, callBudget: 2, maxTtlMs: 120_000 } }));
    for (const m of moves) {
      const r = (await p.play(m)) as any;
      const k = `${m.move} ${r?.kind ?? ""} ${r?.reason ?? ""} ${r?.barrier ? "barrier" : ""}${r?.born ? "born" : ""}${r?.drains?.length ? "drains" : ""}${r?.pruned ? "pruned" : ""}`;
      counts[k] = (counts[k] ?? 0) + 1;
    }
  }
  writeFileSync("/tmp/reach.txt", Object.entries(counts).filter(([k])=>/read|fill|commit|inval|drain/.test(k)).map(([k,v])=>k+v).join("; "));
}, 60000);
