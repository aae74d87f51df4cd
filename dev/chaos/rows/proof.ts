import type { Row } from "../row.ts";
import { isShared } from "./common.ts";

/** Not a fault but a lie: a worker that passes over events must be found out, or no other row proves anything. */
export const proof: Row = {
  name: "proof",
  fault: "a worker is made to pass over 7 events, and to commit behind them",
  expected: "exactly these are found to be lost",
  stage: { planted: true },
  lost: 7,
  play: async (stage) => {
    await isShared(stage);
    await stage.worker(0).plant({ kind: "drop", records: 7 });
    await stage.load.more(2_000);
    await stage.over();
  },
};
