import type { ActorMemory, Program, Reply, Step } from "./step.ts";

/** A program of the world. It knows only its own memory and the replies to its steps: so it can be taken up anywhere. */
export interface ActorSpec {
  readonly name: string;
  readonly program: (memory: ActorMemory) => Program;
  readonly memory?: ActorMemory;
  /** Replies may get lost (the world's budget `lost`). */
  readonly lossy?: boolean;
  /** May die and, with `restarts`, begin anew (the world's budget `crash`). */
  readonly mortal?: "restarts" | "stays-dead";
  /** Runs for ever: the world is quiet when it has nothing to do. */
  readonly service?: boolean;
}

export interface ActorState {
  readonly spec: ActorSpec;
  readonly memory: ActorMemory;
  readonly history: readonly Reply[];
  /** Absent: it is done. */
  readonly pending: Step | undefined;
  readonly key: string;
}

const nothing: ActorMemory = {};
/** An actor that becomes and becomes without a step in between is a mistake. */
const mostBecomings = 10;

export function begin(spec: ActorSpec, memory: ActorMemory = spec.memory ?? nothing): ActorState {
  return settle(spec, memory, [], "");
}

export function advance(actor: ActorState, reply: Reply): ActorState {
  const { spec, memory, history, key } = actor;
  return settle(spec, memory, [...history, reply], key);
}

export function die({ spec }: ActorState): ActorState {
  if (spec.mortal === "restarts") return begin(spec);
  return { spec, memory: nothing, history: [], pending: undefined, key: "dead" };
}

function settle(spec: ActorSpec, memory: ActorMemory, history: readonly Reply[], key: string): ActorState {
  let [begun, replies] = [memory, history];
  for (let becomings = 0; becomings < mostBecomings; becomings += 1) {
    const program = spec.program(begun);
    let turn = program.next();
    for (const reply of replies) turn = program.next(reply);
    if (turn.done) return { spec, memory: nothing, history: [], pending: undefined, key: "done" };
    if (turn.value.do !== "become") {
      const suffix = replies.length === 0 ? JSON.stringify(begun) : `${key} ${JSON.stringify(replies.at(-1))}`;
      return { spec, memory: begun, history: replies, pending: turn.value, key: suffix };
    }
    [begun, replies] = [turn.value.state, []];
  }
  throw new Error(`${spec.name} becomes something else again and again without a step.`);
}
