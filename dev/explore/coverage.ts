import type { Reply, Step } from "./step.ts";

/** Which kinds of steps and replies were met, and how often. */
export class Coverage {
  readonly counts = new Map<string, number>();

  note(step: Step, reply: Reply): void {
    if (step.do === "store") this.#noteReply(step.method, reply as Record<string, unknown>);
    else if (step.do === "raw") this.#add(`raw ${step.command.name}`);
    else this.#add(step.do);
  }

  merge(other: Coverage): void {
    for (const [name, count] of other.counts) this.#add(name, count);
  }

  #noteReply(method: string, reply: Record<string, unknown>): void {
    const name = `${method} ${String(reply.kind ?? "done")}`;
    const reason = reply.reason ?? reply.unmet;
    this.#add(typeof reason === "string" ? `${name} ${reason}` : name);
    for (const [field, value] of Object.entries(reply)) {
      const tells = value === true || (typeof value === "number" && value > 0 && traits.has(field));
      const lists = Array.isArray(value) && field === "drains" && value.length > 0;
      if (tells || lists) this.#add(`${name} +${field}`);
      if (field === "applied" && Array.isArray(value) && value.includes(undefined)) this.#add(`${name} -applied`);
    }
  }

  #add(name: string, count = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }
}

const traits = new Set(["deleted", "kept", "pruned", "raised"]);

/** What a run over all worlds must have met; a reason that is never met is not explored. */
export const expected: readonly string[] = [
  ...["hit", "miss", "moved", "lost", "format"].map((kind) => `read ${kind}`),
  ...["behind", "unconfirmed"].map((demand) => `read miss ${demand}`),
  ...["open", "format"].map((kind) => `open ${kind}`),
  "commit written",
  ...["lost", "old", "changed", "version", "format", "wrong-type"].map((reason) => `commit refused ${reason}`),
  ...["applied", "rollback", "format"].map((kind) => `invalidate ${kind}`),
  ...["born", "barrier", "deleted", "drains", "raised", "pruned"].map((trait) => `invalidate applied +${trait}`),
  ...["more", "finished", "restart", "format"].map((kind) => `drain ${kind}`),
  "drain finished +deleted",
  "drain finished +kept",
  ...["swept", "swept +deleted", "format"].map((kind) => `sweep ${kind}`),
  ...["alive", "format", "alive +born", "alive +drains", "alive -applied"].map((kind) => `heartbeat ${kind}`),
  ...["standing", "standing +holds", "lost"].map((kind) => `confirm ${kind}`),
  ...["attached", "attached +barrier", "format"].map((kind) => `attach ${kind}`),
];
