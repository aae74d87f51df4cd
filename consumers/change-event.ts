/** What every decoder yields: a record of any format becomes one or more of these, or a reason why it could not. */
export type ChangeEvent =
  /** A document changed (or was deleted: to a cache that is the same). */
  | { readonly kind: "document"; readonly id: string; readonly version?: number }
  /** Everything in a namespace is void. Only from topics that are `wide`. */
  | { readonly kind: "namespace"; readonly namespace: string }
  /** Everything is void. Only from topics that are `wide`. */
  | { readonly kind: "all" };

/** Why a record yielded nothing. A closed list: it is a metric label and the `unstale-reason` header of a dead letter. */
export type DecodeFailure =
  | "not-json"
  | "not-an-object"
  | "no-id"
  | "invalid-id"
  | "invalid-version"
  | "invalid-namespace"
  | "invalid-all"
  | "not-wide"
  | "foreign-format"
  /** The decoder itself failed: a bug, contained to one record. */
  | "decoder-error";

export type Decoded =
  | {
      readonly kind: "changes";
      readonly changes: readonly ChangeEvent[];
      /** Milliseconds since the epoch, when the event says when it happened. */
      readonly occurredAt?: number;
    }
  /** `changes`: what can still be invalidated (the record key, where it is usable); the record is dead-lettered all the same. */
  | {
      readonly kind: "failure";
      readonly reason: DecodeFailure;
      readonly detail: string;
      readonly changes: readonly ChangeEvent[];
    };

/** A record as every source delivers it. */
export interface SourceRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, readonly Buffer[]>>;
  /** Milliseconds since the epoch, given by the producer or the broker. */
  readonly timestamp: number;
}

export interface Subscription {
  readonly topic: string;
  readonly format: "json";
  /** Template of a document id, with `{type}` and `{id}` of the event; absent: the id as it is. */
  readonly id?: string | undefined;
  /** Whether `namespace` and `all` may be asked for on this topic. */
  readonly wide: boolean;
}

export type Decoder = (record: SourceRecord, subscription: Subscription) => Decoded;
