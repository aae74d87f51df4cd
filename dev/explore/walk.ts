import type { Engine, Move, State } from "./engine.ts";
import { quiet } from "./quiet.ts";
import { caught, type Failure, replay } from "./search.ts";

/** Mishaps are many: without a weight they would all come at the start. */
const mishapWeight = 0.15;
/** A walk that is longer runs in a circle. */
const longest = 400;

/** One interleaving, chosen by chance. */
export async function walk(engine: Engine, random: () => number): Promise<Failure | undefined> {
  const trace: string[] = [];
  return caught(
    async () => {
      let state: State = await engine.start();
      for (let moves = 0; moves < longest; moves += 1) {
        const move = pick(engine.moves(state), random);
        if (!move) break;
        trace.push(move.label);
        state = await engine.apply(state, move);
      }
      await quiet(engine, state);
    },
    () => trace,
  );
}

function pick(moves: readonly Move[], random: () => number): Move | undefined {
  const own = moves.filter(({ mishap, fate }) => !mishap && !fate);
  const mishaps = moves.filter(({ mishap, fate }) => mishap || fate);
  const from = mishaps.length > 0 && (own.length === 0 || random() < mishapWeight) ? mishaps : own;
  return from[Math.floor(random() * from.length)];
}

/** Leaves out what is not needed for the same promise to be broken: in halves, then one by one. */
export async function shorten(engine: Engine, failure: Failure): Promise<Failure> {
  let shortest = failure;
  for (let size = Math.ceil(failure.trace.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < shortest.trace.length; ) {
      const trace = shortest.trace.toSpliced(from, size);
      const found = await replay(engine, trace);
      const same = found?.violation.promise === failure.violation.promise && found.trace.length < shortest.trace.length;
      if (same) shortest = found;
      else from += size;
    }
  }
  return shortest;
}
