import type { Engine, State } from "./engine.ts";
import { quiet } from "./quiet.ts";
import { Violation } from "./violation.ts";

export interface Limits {
  readonly states?: number;
  readonly milliseconds?: number;
}

export interface Findings {
  /** Distinct states met. */
  readonly states: number;
  /** Moves made. */
  readonly moves: number;
  /** States in which nothing more may happen; each was calmed and judged. */
  readonly ends: number;
  /** Different orders of moves from the beginning to an end that these states stand for. 0 where the search was not complete. */
  readonly interleavings: number;
  readonly complete: boolean;
  readonly failure?: Failure;
}

export interface Failure {
  readonly violation: Violation;
  /** Labels of the moves, in order. */
  readonly trace: readonly string[];
}

/** Every order of moves, depth first: each distinct state is met once. */
export async function searchAll(engine: Engine, limits: Limits = {}): Promise<Findings> {
  const watch = new Watch(limits);
  /** Interleavings from each state on. */
  const visited = new Map<string, number>();
  const trace: string[] = [];
  let [moves, ends] = [0, 0];

  async function visit(state: State): Promise<number> {
    visited.set(state.key, 0);
    const open = engine.moves(state);
    if (open.length === 0) {
      ends += 1;
      await quiet(engine, state);
      visited.set(state.key, 1);
      return 1;
    }
    let interleavings = 0;
    for (const move of open) {
      if (watch.isOver(visited.size)) break;
      trace.push(move.label);
      moves += 1;
      const next = await engine.apply(state, move);
      interleavings += visited.get(next.key) ?? (await visit(next));
      trace.pop();
    }
    visited.set(state.key, interleavings);
    return interleavings;
  }

  const failure = await caught(
    async () => void (await visit(await engine.start())),
    () => [...trace],
  );
  const complete = !failure && !watch.over;
  const start = visited.values().next().value ?? 0;
  const findings = { states: visited.size, moves, ends, interleavings: complete ? start : 0, complete };
  return failure ? { ...findings, failure } : findings;
}

/** Every order of moves, the shortest first: the first failure has a shortest trace. Holds all states of one length in memory. */
export async function searchShortest(engine: Engine, limits: Limits = {}): Promise<Findings> {
  const watch = new Watch(limits);
  const visited = new Set<string>();
  let [moves, ends] = [0, 0];
  let trace: readonly string[] = [];

  async function follow(reached: Reached): Promise<Reached[]> {
    const open = engine.moves(reached.state);
    trace = reached.trace;
    if (open.length === 0) {
      ends += 1;
      await quiet(engine, reached.state);
    }
    const fresh: Reached[] = [];
    for (const move of open) {
      trace = [...reached.trace, move.label];
      moves += 1;
      const state = await engine.apply(reached.state, move);
      if (visited.has(state.key)) continue;
      visited.add(state.key);
      fresh.push({ state, trace });
    }
    return fresh;
  }

  async function all(): Promise<void> {
    const start = await engine.start();
    visited.add(start.key);
    let generation: Reached[] = [{ state: start, trace: [] }];
    while (generation.length > 0) {
      const next: Reached[] = [];
      for (const reached of generation) {
        if (watch.isOver(visited.size)) return;
        next.push(...(await follow(reached)));
      }
      generation = next;
    }
  }

  const failure = await caught(all, () => trace);
  const findings = { states: visited.size, moves, ends, interleavings: 0, complete: !failure && !watch.over };
  return failure ? { ...findings, failure } : findings;
}

interface Reached {
  readonly state: State;
  readonly trace: readonly string[];
}

/** Plays a trace. Labels that are not possible are passed over; at the end the world is calmed and judged. */
export async function replay(engine: Engine, trace: readonly string[]): Promise<Failure | undefined> {
  const played: string[] = [];
  return caught(
    async () => {
      let state = await engine.start();
      for (const label of trace) {
        const move = engine.moves(state).find((possible) => possible.label === label);
        if (!move) continue;
        played.push(label);
        state = await engine.apply(state, move);
      }
      await quiet(engine, state);
    },
    () => played,
  );
}

export async function caught(work: () => Promise<void>, trace: () => readonly string[]): Promise<Failure | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { violation: error, trace: trace() };
  }
}

class Watch {
  readonly #limits: Limits;
  readonly #began = Date.now();
  over = false;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  isOver(states: number): boolean {
    const { states: most = Number.POSITIVE_INFINITY, milliseconds = Number.POSITIVE_INFINITY } = this.#limits;
    this.over ||= states >= most || Date.now() - this.#began >= milliseconds;
    return this.over;
  }
}
