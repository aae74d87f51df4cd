import { begin } from "./actor.ts";
import { type FillMemory, fill } from "./actors/producer.ts";
import type { Engine, State } from "./engine.ts";
import type { Image } from "./image.ts";
import { changesIn, judgeState, versionsNow } from "./oracle.ts";
import type { Truth } from "./truth.ts";
import { Violation } from "./violation.ts";
import type { Question } from "./world.ts";

/** More steps than any program of ours needs once it is alone. */
const patience = 150;

/**
 * Nothing befalls the world any more. Then every program comes to its end, every event is acknowledged, what a failover
 * lost is repaired, fills succeed and are served again; and when all has expired, nothing is left.
 */
export async function quiet(engine: Engine, from: State): Promise<void> {
  const { world } = engine;
  let state = calmed(from);
  for (const [index, { spec }] of state.actors.entries()) {
    state = spec.service ? await service(engine, state, index) : await finish(engine, state, index);
  }
  // Services once more: what the others did last may concern them.
  for (const [index, { spec }] of state.actors.entries()) {
    if (spec.service) state = await service(engine, state, index);
  }
  if (world.end === "stopped") return;
  checkAcknowledged(state.truth);
  await engine.stand(state);
  await judgeState(world, engine.machine, { ...state.truth, fellBack: 0 }, state.image);
  if (world.end === "unfilled") return;
  for (const question of world.questions) state = await refill(engine, state, question);
  await expire(engine, state);
}

function calmed(state: State): State {
  const budgets = Object.fromEntries(Object.keys(state.truth.budgets).map((name) => [name, 0]));
  return { ...state, truth: { ...state.truth, budgets: { ...budgets, heartbeat: 1 } } };
}

/** One heartbeat, then all that is to do. */
async function service(engine: Engine, from: State, index: number): Promise<State> {
  let state: State = { ...from, truth: { ...from.truth, budgets: { ...from.truth.budgets, heartbeat: 1 } } };
  for (let steps = 0; steps < patience; steps += 1) {
    const moves = engine.moves(state).filter((move) => move.actor === index);
    const move = moves.find(({ option }) => option === "heartbeat") ?? moves[0];
    if (!move) return state;
    state = await engine.apply(state, move);
  }
  throw new Violation("live", `${state.actors[index]?.spec.name} does not come to an end`);
}

async function finish(engine: Engine, from: State, index: number): Promise<State> {
  let state = from;
  for (let steps = 0; steps < patience; steps += 1) {
    const move = engine.moves(state).find(({ actor }) => actor === index);
    if (!move) return state;
    state = await engine.apply(state, move);
  }
  throw new Violation("live", `${state.actors[index]?.spec.name} does not come to an end`);
}

function checkAcknowledged(truth: Truth): void {
  for (const [partition, { low, events, committed }] of Object.entries(truth.logs)) {
    const end = low + events.length;
    if (events.length > 0 && (committed ?? 0) < end) {
      throw new Violation("live", `partition ${partition} is committed up to ${committed}, its end is ${end}`);
    }
  }
  for (const [bucket, mask] of truth.lost.entries()) {
    const logged = truth.changes.reduce(
      (all, { partition }, at) => (partition === undefined ? all : all | (1 << at)),
      0,
    );
    // An event that went with its topic before anybody read it was never acknowledged, and cannot come back.
    const unrepaired = mask & logged & truth.acknowledged;
    if (unrepaired !== 0) throw new Violation("I5", `bucket ${bucket} never got back ${changesIn(truth, unrepaired)}`);
  }
}

/** A good fill succeeds, and its answer is served. */
async function refill(engine: Engine, from: State, question: Question): Promise<State> {
  const memory: FillMemory = { tries: 3 };
  const spec = { name: "a last fill", program: fill(question), memory };
  const index = from.actors.length;
  let state: State = { ...from, actors: [...from.actors, begin(spec)] };
  state = await finish(engine, state, index);
  const image = await engine.machine.image();
  const versions = versionsNow(engine.machine, image, question);
  const reply = versions && (await engine.machine.store.read({ ...question, versions }));
  if (reply?.kind === "hit") return state;
  throw new Violation("live", `"${question.query}" cannot be filled: ${reply ? reply.kind : "no versions"}`);
}

/** What may stay for ever: the state itself. */
async function expire(engine: Engine, { truth, image, actors }: State): Promise<void> {
  const { machine, world } = engine;
  const buckets = Array.from({ length: machine.keys.layout.buckets }, (_, bucket) => bucket);
  const staying = new Set([
    ...buckets.flatMap((bucket) => [
      machine.keys.fence(bucket),
      machine.keys.documentVersions(bucket),
      machine.keys.state(bucket),
      machine.keys.fresh(bucket),
      machine.keys.versionCounters({ bucket })[0],
    ]),
    ...(world.bystanders ?? []),
  ]);
  for (const [key, slot] of image.slots) {
    if (!staying.has(key) && slot.expiresAt === undefined && !isForeign(truth, key)) {
      throw new Violation("I8", `${key} would stay for ever`);
    }
  }
  void actors;
}

/** A foreign writer may have died before its EXPIRE; what it left is its own. */
function isForeign({ lineage }: Truth, key: string): boolean {
  return key in lineage.tainted;
}

export type { Image };
