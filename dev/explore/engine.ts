import { createHash } from "node:crypto";
import { type ActorState, advance, begin, die } from "./actor.ts";
import { Coverage } from "./coverage.ts";
import { type Image, imageKey } from "./image.ts";
import type { Machine } from "./machine.ts";
import { judgeState } from "./oracle.ts";
import { canFetch, nonceUsed, type Performed, perform, prepare } from "./perform.ts";
import type { Reply, Step } from "./step.ts";
import { type Truth, truthKey } from "./truth.ts";
import { Violation } from "./violation.ts";
import type { Mishap, World } from "./world.ts";

/** More steps than any program of ours needs from one rest to the next. */
const patience = 60;

/** One moment of a world. Never changed in place. */
export interface State {
  readonly truth: Truth;
  readonly image: Image;
  readonly actors: readonly ActorState[];
  readonly key: string;
}

/** Something that may happen next. The label names it in traces: the same label means the same in every run. */
export interface Move {
  readonly label: string;
  readonly actor?: number;
  readonly step?: Step;
  readonly option?: string;
  readonly fate?: "reply-lost" | "crash";
  readonly mishap?: Mishap;
}

/** Plays a world move by move. It remembers where the machine stands and restores it only when it has to. */
export class Engine {
  readonly world: World;
  readonly machine: Machine;
  readonly coverage = new Coverage();
  steps = 0;
  #standing: Image | undefined;

  constructor(world: World, machine: Machine) {
    this.world = world;
    this.machine = machine;
  }

  async start(): Promise<State> {
    const { world, machine } = this;
    const empty: Image = { slots: new Map() };
    await machine.restore(empty);
    for (const seed of world.seeds ?? []) await machine.raw(seed);
    const image = await machine.image();
    const nothing = Array.from({ length: machine.keys.layout.buckets }, () => 0);
    const lineage = { barriered: nothing, tainted: {} };
    const truth: Truth = {
      now: 1_800_000_000_000_000,
      replicationId: 1_001,
      nonces: 0,
      documents: Object.fromEntries(world.names.map((name) => [name, 1])),
      changes: [],
      logs: Object.fromEntries(world.partitions.map((name) => [name, { epoch: 0, low: 0, events: [] }])),
      acknowledged: 0,
      lost: nothing,
      lineage,
      replica: { image, key: imageKey(image), lineage },
      budgets: world.budgets,
      disturbed: false,
      fellBack: 0,
      unaccounted: false,
    };
    const actors = world.actors.map((spec) => begin(spec));
    let state = await this.#arrive({ truth, image, actors });
    for (const label of world.prelude ?? []) {
      const move = this.moves(state).find((possible) => possible.label === label);
      if (!move) throw new Error(`World "${world.name}": "${label}" is not possible in its prelude.`);
      state = await this.apply(state, move);
    }
    return state;
  }

  moves(state: State): readonly Move[] {
    const { truth, actors, image } = state;
    const moves = actors.flatMap((actor, index) => this.#movesOf(truth, actor, index));
    for (const hazard of this.world.hazards) {
      if ((truth.budgets[hazard.budget] ?? 0) === 0) continue;
      for (const mishap of hazard.moves(truth, image)) {
        const spent = spend(mishap.truth, hazard.budget);
        moves.push({ label: mishap.label, mishap: { ...mishap, truth: spent } });
      }
    }
    return moves;
  }

  /** Brings the machine to this moment. */
  async stand({ truth, image }: State): Promise<void> {
    prepare(this.machine, truth);
    if (this.#standing !== image) await this.machine.restore(image);
    this.#standing = image;
  }

  /** @throws Violation */
  async apply(state: State, move: Move): Promise<State> {
    await this.stand(state);
    this.#standing = undefined;
    this.steps += 1;
    if (move.mishap) return this.#befall(state, move.mishap);
    const at = move.actor ?? -1;
    const actor = state.actors[at];
    if (!actor) throw new Error(`Nobody can ${move.label}.`);
    if (move.fate === "crash") {
      const actors = replaced(state.actors, at, die(actor));
      return this.#arrive({ ...state, truth: spend(state.truth, "crash"), actors });
    }
    if (actor.history.length > patience) throw new Violation("live", `${actor.spec.name} does not come to an end`);
    const step = move.step ?? actor.pending;
    if (!step) throw new Error(`${actor.spec.name} has nothing to do.`);
    const { image, ...performed } = await this.#perform(state, step);
    const { truth, reply } = accounted(move, performed);
    return this.#arrive({ truth, image, actors: replaced(state.actors, at, advance(actor, reply)) });
  }

  async #perform(before: State, step: Step): Promise<Performed & { readonly image: Image }> {
    const { reply, truth } = await perform(this.world, this.machine, before, step);
    const old = before.image;
    this.coverage.note(step, reply);
    if (step.do === "replicated") {
      const replica = { image: old, key: imageKey(old), lineage: truth.lineage };
      return { reply, image: old, truth: { ...truth, replica: step.pretends ? truth.replica : replica } };
    }
    if (!mayWrite(step)) return { reply, truth, image: old };
    const image = await this.machine.image();
    const used = this.machine.world.nonceTaken && nonceUsed(this.machine, image);
    return { reply, image, truth: used ? { ...truth, nonces: truth.nonces + 1 } : truth };
  }

  async #befall(state: State, { truth, command, image: other }: Mishap): Promise<State> {
    prepare(this.machine, truth);
    // On Valkey time passes by writing all keys again: what has expired is left out.
    if (other || truth.now !== state.truth.now) await this.machine.restore(other ?? state.image);
    if (command) await this.machine.raw(command);
    const image = await this.machine.image();
    return this.#arrive({ ...state, truth, image });
  }

  async #arrive({ truth, image, actors }: Omit<State, "key">): Promise<State> {
    prepare(this.machine, truth);
    await judgeState(this.world, this.machine, truth, image);
    const text = `${imageKey(image)}\n${truthKey(truth)}\n${actors.map(({ key }) => key).join("\n")}`;
    const key = createHash("sha1").update(text).digest("base64").slice(0, 16);
    const state: State = { truth, image, actors, key };
    this.#standing = image;
    return state;
  }

  #movesOf(truth: Truth, actor: ActorState, index: number): Move[] {
    const { pending, spec, history } = actor;
    if (!pending) return [];
    const moves = stepsOf(spec.name, pending)
      .filter(({ step, option }) => isPossible(truth, step, option))
      .flatMap(({ label, ...move }): Move[] => {
        const made = { ...move, label, actor: index };
        const mayLose = spec.lossy && move.step.do === "store" && (truth.budgets.lost ?? 0) > 0;
        return mayLose ? [made, { ...made, label: `${label}!lost`, fate: "reply-lost" }] : [made];
      });
    if (spec.mortal && history.length > 0 && (truth.budgets.crash ?? 0) > 0) {
      moves.push({ label: `${spec.name}!crash`, actor: index, fate: "crash" });
    }
    return moves;
  }
}

function stepsOf(name: string, pending: Step): { label: string; step: Step; option?: string }[] {
  if (pending.do !== "either") return [{ label: name, step: pending }];
  return Object.entries(pending.options).map(([option, step]) => ({ label: `${name}.${option}`, step, option }));
}

/** Heartbeats, and options that are called like a budget, cost one of it. */
function isPossible(truth: Truth, step: Step, option: string | undefined): boolean {
  if (option === "heartbeat" && truth.budgets.heartbeat === undefined) return false;
  if (option !== undefined && truth.budgets[option] === 0) return false;
  return step.do === "fetch" ? canFetch(truth, step) : true;
}

/** What the move costs the world, and what the actor gets to hear. */
function accounted({ fate, option }: Move, performed: Performed): Performed {
  let { truth } = performed;
  let reply: Reply = performed.reply;
  if (fate === "reply-lost") {
    truth = spend(truth, "lost");
    reply = { kind: "unavailable" };
  }
  if (option === undefined) return { truth, reply };
  if (truth.budgets[option] !== undefined) truth = spend(truth, option);
  return { truth, reply: { chose: option, reply } };
}

function mayWrite(step: Step): boolean {
  if (step.do === "store") return step.method !== "read";
  return step.do === "raw";
}

export function spend(truth: Truth, budget: string): Truth {
  return { ...truth, budgets: { ...truth.budgets, [budget]: (truth.budgets[budget] ?? 0) - 1 } };
}

function replaced(actors: readonly ActorState[], at: number, actor: ActorState): readonly ActorState[] {
  return actors.map((other, index) => (index === at ? actor : other));
}
