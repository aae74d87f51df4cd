import type { Refusal, SmartCache } from "@unstale/cache-core";
import type { ChangeRecord } from "../../examples/publisher/publisher.ts";
import type { LogPosition } from "./judge.ts";
import type { Span } from "./otlp-receiver.ts";
import type { Side } from "./panes.ts";
import type { PlainStore } from "./plain-worker.ts";

/** What both sides run on: Kafka and Valkey, or their embedded stand-ins. */
export interface Backend {
  readonly embedded: boolean;
  readonly cache: SmartCache;
  readonly plainStore: PlainStore;
  /** Puts a change event into the log that both sides read. */
  readonly send: (record: ChangeRecord) => Promise<LogPosition>;
  /** Runs a command on the store of our side, as valkey-cli would. */
  readonly command: (...words: (string | number)[]) => Promise<unknown>;
  /** When the last change of a document became effective on our side, in milliseconds since the epoch. */
  readonly changedAt: (id: string) => Promise<number | undefined>;
  /** Spans that the worker reported. */
  readonly spans: readonly Span[];
  /** What somebody may try who wants to look around, and the command for it. */
  readonly hints: readonly (readonly [what: string, command: string])[];
}

/** What happens on the way, for whoever shows or judges it. */
export interface BackendEvents {
  readonly onPlainInvalidated: (id: string, deleted: number) => void;
  readonly onCommitted: (side: Side, position: LogPosition, at: number) => void;
  readonly onRefused: (refusal: Refusal) => void;
}
