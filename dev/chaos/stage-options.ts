import type { StartValkeyOptions } from "../services/index.ts";

export interface StageOptions {
  /** Worker processes. Default 2. */
  readonly workers?: number;
  /** Partitions of the topic. Default 4. */
  readonly partitions?: number;
  /** Properties of the topic. */
  readonly topic?: Readonly<Record<string, string>>;
  /**
   * `own`: a broker that the row may harm; `proxied`: one that workers reach through `stage.kafka.network`; `cluster`: three
   * brokers, of which the row may harm one at a time. Default `shared`.
   */
  readonly kafka?: "shared" | "own" | "proxied" | "cluster";
  /** Lines of valkey.conf. */
  readonly valkey?: NonNullable<StartValkeyOptions["config"]>;
  /** Workers reach Valkey through `stage.valkeyProxy`. */
  readonly valkeyProxy?: boolean;
  /** Settings of the workers on top of those that make a row quick. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Workers listen to `worker.plant()`. */
  readonly planted?: boolean;
  /** Events per second. Default 600. */
  readonly rate?: number;
  /** Entries that are there before the first event. Default 3,000. */
  readonly lead?: number;
}

export interface Length {
  /** The short form is for every change, the full one for a release. */
  readonly short: boolean;
  /** A folder for the logs of workers, for one who wants to know. */
  readonly logs?: string | undefined;
}
