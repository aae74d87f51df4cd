import { setTimeout as delay } from "node:timers/promises";
import type { Admin } from "kafkajs";
import { now } from "./editor.ts";
import type { LogPosition } from "./judge.ts";
import type { Side } from "./panes.ts";

export interface OffsetWatchOptions {
  readonly admin: Admin;
  readonly topic: string;
  readonly groups: Readonly<Record<Side, string>>;
  /** Called when a group's committed offset is seen to have moved. `at` is when Kafka's answer had arrived. */
  readonly onCommitted: (side: Side, position: LogPosition, at: number) => void;
}

const everyMs = 25;

/** Watches from outside how far the consumer groups have acknowledged. */
export function watchOffsets({ admin, topic, groups, onCommitted }: OffsetWatchOptions): { stop(): Promise<void> } {
  let stopped = false;

  async function watch(side: Side): Promise<void> {
    const seen = new Map<number, string>();
    while (!stopped) {
      const [found] = await admin.fetchOffsets({ groupId: groups[side], topics: [topic] });
      const at = now();
      for (const { partition, offset } of found?.partitions ?? []) {
        if (seen.get(partition) === offset || offset === "-1") continue;
        seen.set(partition, offset);
        onCommitted(side, { partition, offset: BigInt(offset) }, at);
      }
      await delay(everyMs);
    }
  }

  const watching = Promise.all([watch("plain"), watch("unstale")]);
  // Reported by stop(); until then it must not count as unhandled.
  watching.catch(() => {});
  return {
    async stop() {
      stopped = true;
      await watching;
    },
  };
}
