import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "iovalkey";
import type { Admin } from "kafkajs";
import type { HistoryFile } from "./history.ts";
import { moment } from "./moment.ts";
import type { Entrant, Plan } from "./plan.ts";

const everyMs = 4;

/**
 * For us an event counts as acknowledged when Valkey says that its offset was applied: earlier than the committed offset,
 * which is all that is promised. Written down is when that was *seen*, so a read that began later has no excuse.
 */
export class AppliedWatch {
  readonly #watching: Promise<void>;
  #going = true;

  constructor(options: { entrant: Entrant; client: Redis; plan: Plan; history: HistoryFile }) {
    this.#watching = this.#watch(options);
    // Reported by stop().
    this.#watching.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#going = false;
    await this.#watching;
  }

  async #watch({ entrant, client, plan, history }: ConstructorParameters<typeof AppliedWatch>[0]): Promise<void> {
    const seen = new Map<number, number>();
    while (this.#going) {
      const fields = await client.hgetall("unstale:state");
      const at = moment();
      for (const [field, offset] of Object.entries(fields)) {
        const prefix = `applied:${plan.topic}:`;
        if (!field.startsWith(prefix)) continue;
        const partition = Number(field.slice(prefix.length));
        const next = Number(offset);
        if (next <= (seen.get(partition) ?? -1)) continue;
        seen.set(partition, next);
        history.add({ kind: "acknowledged", by: entrant.name, partition, next, at });
      }
      await delay(everyMs);
    }
  }
}

/** Waits until every group has committed everything; throws when one does not get there. */
export async function allCommitted(admin: Admin, plan: Plan, timeoutMs: number): Promise<void> {
  const ends = await admin.fetchTopicOffsets(plan.topic);
  const impatient = performance.now() + timeoutMs;
  for (const { name } of plan.contestants) {
    const groupId = `${plan.topic}-${name}`;
    for (;;) {
      const [group] = await admin.fetchOffsets({ groupId, topics: [plan.topic] });
      const committed = new Map(group?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
      const behind = ends.filter(({ partition, high }) => Number(high) > Math.max(0, committed.get(partition) ?? 0));
      if (behind.length === 0) break;
      if (performance.now() > impatient) {
        throw new Error(
          `${name} has not committed ${behind.length} of ${ends.length} partitions in ${timeoutMs / 1_000} s.`,
        );
      }
      await delay(25);
    }
  }
}
