import type { CacheStore } from "@unstale/cache-core";

/** What an actor may do in one piece. Everything else of it is its own business, and happens at once. */
export type Step =
  | StoreStep
  | RawStep
  | SourceStep
  | PublishStep
  | FetchStep
  | HistoryStep
  | AcknowledgeStep
  | ReplicatedStep
  | AskStep
  | ServeStep
  | EitherStep
  | BecomeStep;

export type Method = "read" | "open" | "commit" | "invalidate" | "drain" | "sweep" | "heartbeat" | "confirm" | "attach";
export type RequestOf<M extends Method> = Parameters<CacheStore[M]>[0];
export type ReplyOf<M extends Method> = Awaited<ReturnType<CacheStore[M]>>;

/** The step was done, or not: its reply was lost. */
export interface Unavailable {
  readonly kind: "unavailable";
}

/** One call of the real port. `covers`: for an invalidation, the changes it stands for. */
export type StoreStep = {
  [M in Method]: { readonly do: "store"; readonly method: M; readonly request: RequestOf<M>; readonly covers?: number };
}[Method];

/** One command of a program that does not know the protocol. */
export interface RawStep {
  readonly do: "raw";
  readonly command: RawCommand;
}

export type RawCommand =
  | { readonly name: "HSET"; readonly key: string; readonly fields: Readonly<Record<string, string>> }
  | { readonly name: "PEXPIRE"; readonly key: string; readonly ms: number }
  | { readonly name: "SADD"; readonly key: string; readonly member: string }
  | { readonly name: "SMEMBERS"; readonly key: string }
  | { readonly name: "DEL"; readonly keys: readonly string[] }
  /** Like DEL, but by a program of ours. */
  | { readonly name: "UNLINK"; readonly keys: readonly string[] }
  | { readonly name: "GET"; readonly key: string }
  | { readonly name: "SET"; readonly key: string; readonly text: string }
  | { readonly name: "ZADD"; readonly key: string; readonly member: string; readonly score: number }
  | { readonly name: "FLUSHDB" };

/** A look at the system of record. `lagging`: at a replica of it that has not seen the last change. */
export interface SourceStep {
  readonly do: "source";
  readonly document: string;
  /** Of the answer: its generations are seen as well. */
  readonly namespace?: string | undefined;
  readonly lagging?: boolean;
}

/** Which versions of documents, and which generations of namespaces, an answer was built from. */
export type Content = Readonly<Record<string, number>>;

/** A change becomes visible at the source, and its event is in the log. */
export interface PublishStep {
  readonly do: "publish";
  readonly partition: string;
  readonly documents?: readonly string[];
  /** `""` is everything. */
  readonly namespaces?: readonly string[];
  /** Not an event: whoever publishes invalidates by a call of the library. */
  readonly silent?: boolean;
}

/** Possible when there are events from this offset on. */
export interface FetchStep {
  readonly do: "fetch";
  readonly partition: string;
  readonly from: number;
  readonly most: number;
  readonly epoch: number;
}

export interface Fetched {
  readonly events: readonly LoggedEvent[];
  /** The log does not hold this offset (any more), or is another one. */
  readonly outOfRange?: History;
}

export interface LoggedEvent {
  readonly offset: number;
  /** Number of the change. */
  readonly change: number;
  readonly documents: readonly { readonly id: string; readonly version?: number }[];
  readonly namespaces: readonly string[];
}

export interface HistoryStep {
  readonly do: "history";
  readonly partition: string;
}

export interface History {
  readonly committed?: number;
  readonly low: number;
  readonly end: number;
  readonly epoch: number;
}

/** The offset is committed, or (with `covers`) a call of the library resolves. */
export interface AcknowledgeStep {
  readonly do: "acknowledge";
  readonly partition?: string;
  readonly offset?: number;
  /** Commits for another topic of this name are refused. */
  readonly epoch?: number;
  readonly covers?: number;
}

/** WAIT: the replica has everything up to here. */
export interface ReplicatedStep {
  readonly do: "replicated";
  /** Nobody waited. */
  readonly pretends?: boolean;
}

/** A caller asks: what is acknowledged now, the answer must know of. */
export interface AskStep {
  readonly do: "ask";
}

/** An answer that was not read from the store is given to a caller who asked when `promised` was acknowledged. */
export interface ServeStep {
  readonly do: "serve";
  readonly content: Content;
  readonly promised: number;
  /** Changes that the caller named: acknowledged or not, the answer must know of them. */
  readonly demanded?: number;
}

/** The scheduler chooses. */
export interface EitherStep {
  readonly do: "either";
  readonly options: Readonly<Record<string, Step>>;
}

/** The actor goes on as if it began with this state: what it met before no longer matters. */
export interface BecomeStep {
  readonly do: "become";
  readonly state: ActorMemory;
}

export type ActorMemory = Readonly<Record<string, unknown>>;
export type Reply = unknown;
export type Program = Generator<Step, void, Reply>;

/** `yield*` these: they give each step's reply its type. */
export function* call<M extends Method>(
  method: M,
  request: RequestOf<M>,
  covers?: number,
): Generator<Step, ReplyOf<M> | Unavailable, Reply> {
  // The pair of method and request is right by the signature; a mapped type cannot be told so.
  const step = { do: "store", method, request, ...(covers === undefined ? {} : { covers }) } as unknown as StoreStep;
  return (yield step) as ReplyOf<M> | Unavailable;
}

/** Repeats a step whose reply was lost, as the library and the worker do. */
export function* insist<M extends Method>(
  method: M,
  request: RequestOf<M>,
  covers?: number,
): Generator<Step, ReplyOf<M>, Reply> {
  for (;;) {
    const reply = yield* call(method, request, covers);
    if (!isUnavailable(reply)) return reply;
  }
}

export function isUnavailable(reply: { readonly kind?: string } | object): reply is Unavailable {
  return "kind" in reply && reply.kind === "unavailable";
}

export function* source(look: Omit<SourceStep, "do">): Generator<Step, Content, Reply> {
  return (yield { do: "source", ...look }) as Content;
}

export function* raw(command: RawCommand): Generator<Step, unknown, Reply> {
  return yield { do: "raw", command };
}
