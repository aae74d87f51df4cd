/** A world of real programs that stand still wherever a move is theirs to be chosen. */
export interface Scene {
  /** What may happen next. A move is called `<actor> <what>`; labels are unique, and the same in every run of the same moves. */
  moves(): readonly string[];
  /** Resolves when everybody stands still again. */
  take(move: string): Promise<void>;
  /** All is over: rejects when a promise was broken. */
  judge(): Promise<void>;
}

export interface Orders {
  readonly runs: number;
  /** The longest run. */
  readonly moves: number;
}

interface Fork {
  readonly options: readonly string[];
  chosen: number;
}

/**
 * Plays a scene once for every order of its moves. Real promises cannot be copied, so each run begins anew and repeats the
 * moves up to where it differs. `interruptions` bounds how often an actor that could go on is made to wait for another:
 * most mistakes need one or two, and without a bound scenes of several processes have too many orders.
 */
export async function everyOrder(begin: () => Scene, interruptions = Number.POSITIVE_INFINITY): Promise<Orders> {
  const path: Fork[] = [];
  let runs = 0;
  let moves = 0;
  do {
    const trace = await play(begin(), path, interruptions);
    runs += 1;
    moves = Math.max(moves, trace);
  } while (next(path));
  return { runs, moves };
}

async function play(scene: Scene, path: Fork[], interruptions: number): Promise<number> {
  const trace: string[] = [];
  let left = interruptions;
  try {
    for (let depth = 0; ; depth += 1) {
      const options = possible(scene.moves(), trace.at(-1), left);
      if (options.length === 0) break;
      const fork = path[depth] ?? { options, chosen: 0 };
      path[depth] = fork;
      const move = fork.options[fork.chosen];
      if (move === undefined || !options.includes(move))
        throw new Error(`"${move}" was possible before, and is not now.`);
      if (interrupts(move, trace.at(-1), options)) left -= 1;
      trace.push(move);
      await scene.take(move);
    }
    await scene.judge();
  } catch (error) {
    throw new Error(`After ${trace.map((move) => `"${move}"`).join(", ")}: ${String(error)}`, { cause: error });
  }
  return trace.length;
}

/** To the last fork that has another option. */
function next(path: Fork[]): boolean {
  for (let fork = path.at(-1); fork; fork = path.at(-1)) {
    fork.chosen += 1;
    if (fork.chosen < fork.options.length) return true;
    path.pop();
  }
  return false;
}

function possible(moves: readonly string[], last: string | undefined, left: number): readonly string[] {
  if (left > 0) return moves;
  const same = moves.filter((move) => last !== undefined && actorOf(move) === actorOf(last));
  return same.length > 0 ? same : moves;
}

function interrupts(move: string, last: string | undefined, options: readonly string[]): boolean {
  if (last === undefined || actorOf(move) === actorOf(last)) return false;
  return options.some((option) => actorOf(option) === actorOf(last));
}

function actorOf(move: string): string {
  return move.split(" ", 1)[0] ?? "";
}
