import type {
  ChangeHandlers,
  ChangeSource,
  PartitionLag,
  PartitionOffset,
  SourceNotice,
} from "../../../consumers/change-source.ts";
import { type Latch, latch } from "../../support/latch.ts";

export interface FakeSource extends ChangeSource {
  /** Resolves when it was started. */
  readonly started: Promise<ChangeHandlers>;
  /** Joins, which lets `start` resolve. */
  join(): void;
  /** Makes `start` reject. */
  refuse(error: Error): void;
  tell(notice: SourceNotice): void;
  readonly sought: readonly PartitionOffset[];
  readonly stopped: boolean;
  /** What `lag` says. */
  lags: readonly PartitionLag[];
  /** From now on `stop` waits until the latch is opened. */
  holdStop(): Latch;
}

/** A source that does what a test says. */
export function createFakeSource(): FakeSource {
  const started = latch<ChangeHandlers>();
  const joined = latch();
  let mayStop: Latch | undefined;
  const sought: PartitionOffset[] = [];
  let handlers: ChangeHandlers | undefined;
  let stopped = false;
  const source: FakeSource = {
    lags: [],
    started: started.opened,
    start: async (given) => {
      handlers = given;
      started.open(given);
      await joined.opened;
    },
    stop: async () => {
      stopped = true;
      joined.fail(new Error("stopped before it joined"));
      await mayStop?.opened;
      return { drained: true };
    },
    seek: (target) => void sought.push(target),
    owned: () => [],
    lag: async () => source.lags,
    ends: async () => [],
    join: () => {
      handlers?.onNotice({ kind: "joined", partitions: [] });
      joined.open();
    },
    refuse: (error) => joined.fail(error),
    tell: (notice) => handlers?.onNotice(notice),
    sought,
    get stopped() {
      return stopped;
    },
    holdStop: () => {
      mayStop = latch();
      return mayStop;
    },
  };
  return source;
}
