/**
 * The life of a worker, as data.
 *
 *   starting   nothing is known of Valkey and Kafka yet
 *   waiting    one of them did not answer, and the worker was never ready: it keeps trying
 *   running    everything it depends on is well: ready
 *   degraded   it was ready, and something is not well now: paused partitions, no Valkey, no group
 *   draining   told to stop: slices under way are finished and committed
 *   stopped    the end
 *   failed     it cannot come back by itself: the process must be replaced
 *
 * Events come from outside in any order and at any time, late ones from parts that are being stopped included; so the
 * table is total, and no event is an error. `stopped` and `failed` are final. A failure while draining changes nothing:
 * the worker is on its way out, and what was not committed is delivered to another.
 */
export const states = ["starting", "waiting", "running", "degraded", "draining", "stopped", "failed"] as const;
export type State = (typeof states)[number];

/**
 * - `ready`: all conditions are met. `blocked`: one is not.
 * - `stop`: asked to end. `drained`: it has ended.
 * - `fail`: something broke for good.
 */
export const events = ["ready", "blocked", "stop", "drained", "fail"] as const;
export type LifecycleEvent = (typeof events)[number];

export const transitions: Readonly<Record<State, Readonly<Record<LifecycleEvent, State>>>> = {
  starting: { ready: "running", blocked: "waiting", stop: "draining", drained: "stopped", fail: "failed" },
  waiting: { ready: "running", blocked: "waiting", stop: "draining", drained: "stopped", fail: "failed" },
  running: { ready: "running", blocked: "degraded", stop: "draining", drained: "stopped", fail: "failed" },
  degraded: { ready: "running", blocked: "degraded", stop: "draining", drained: "stopped", fail: "failed" },
  draining: { ready: "draining", blocked: "draining", stop: "draining", drained: "stopped", fail: "draining" },
  stopped: { ready: "stopped", blocked: "stopped", stop: "stopped", drained: "stopped", fail: "stopped" },
  failed: { ready: "failed", blocked: "failed", stop: "failed", drained: "failed", fail: "failed" },
};

/** Something that must be well for the worker to be ready. */
export interface Condition {
  readonly name: string;
  /** `unknown` until it was first looked at. */
  readonly status: "unknown" | "met" | "unmet";
  readonly reason: string;
}

export interface Transition {
  readonly from: State;
  readonly to: State;
  readonly event: LifecycleEvent;
  readonly reason: string;
}

export interface Lifecycle {
  readonly state: State;
  /** Why the state is what it is. */
  readonly reason: string;
  readonly conditions: readonly Condition[];
  met(name: string, reason: string): void;
  unmet(name: string, reason: string): void;
  /** For `stop`, `drained` and `fail`; the other events follow from conditions. */
  happen(event: Exclude<LifecycleEvent, "ready" | "blocked">, reason: string): void;
}

export interface LifecycleOptions {
  /** Names of all conditions. */
  readonly conditions: readonly string[];
  readonly onTransition: (transition: Transition) => void;
}

export function createLifecycle({ conditions, onTransition }: LifecycleOptions): Lifecycle {
  let state: State = "starting";
  let reason = "just started";
  const current = new Map<string, Condition>(
    conditions.map((name) => [name, { name, status: "unknown", reason: "not looked at yet" }]),
  );

  const apply = (event: LifecycleEvent, because: string): void => {
    const from = state;
    state = transitions[from][event];
    if (state === from && state !== "degraded" && state !== "waiting") return;
    reason = because;
    if (state !== from) onTransition({ from, to: state, event, reason });
  };

  const judge = (): void => {
    const all = [...current.values()];
    const unmet = all.filter((condition) => condition.status === "unmet");
    if (unmet.length > 0) apply("blocked", unmet.map(({ name, reason: why }) => `${name}: ${why}`).join("; "));
    else if (all.every((condition) => condition.status === "met")) apply("ready", "all conditions are met");
  };

  const set = (condition: Condition): void => {
    current.set(condition.name, condition);
    judge();
  };

  return {
    get state() {
      return state;
    },
    get reason() {
      return reason;
    },
    get conditions() {
      return [...current.values()];
    },
    met: (name, why) => set({ name, status: "met", reason: why }),
    unmet: (name, why) => set({ name, status: "unmet", reason: why }),
    happen: apply,
  };
}
