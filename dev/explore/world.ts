import type { Scope } from "@unstale/cache-core";
import type { ActorSpec } from "./actor.ts";
import type { Image } from "./image.ts";
import type { MachineOptions } from "./machine.ts";
import type { RawCommand } from "./step.ts";
import type { Truth } from "./truth.ts";

/** A small world to be explored: who is in it, and what may befall it. */
export interface World {
  readonly name: string;
  /** One line: what it is about. */
  readonly about: string;
  readonly machine: MachineOptions;
  /** All documents, and `@` + namespace for all namespaces (`@` is everything). */
  readonly names: readonly string[];
  /** Partitions of the log. */
  readonly partitions: readonly string[];
  readonly questions: readonly Question[];
  readonly actors: readonly ActorSpec[];
  /** How often which kind of mishap may happen. */
  readonly budgets: Readonly<Record<string, number>>;
  readonly hazards: readonly Hazard[];
  /** Plain readers are promised exactness too, as long as nothing was deleted behind the protocol's back. */
  readonly plainReaders?: boolean;
  /** What is in the store before anybody comes. */
  readonly seeds?: readonly RawCommand[];
  /** Moves that are made before anything is explored. */
  readonly prelude?: readonly string[];
  /** Entries that plain readers look for under a key without a version. */
  readonly unversioned?: readonly string[];
  /** Keys of nobody's business, which no step may touch. */
  readonly bystanders?: readonly string[];
  /** Writers without a lease are judged as if they were ours: how the naive algorithm is convicted. */
  readonly unexcused?: boolean;
  /** What holds once nothing happens any more is not asked: that fills succeed, or (`stopped`) anything. */
  readonly end?: "unfilled" | "stopped";
}

/** A query that an entry answers, and the sources of a good answer. */
export interface Question extends Scope {
  readonly query: string;
  readonly sources: readonly string[];
  /** Pass source versions with commits (R9). */
  readonly versioned?: boolean;
}

/** Something that befalls a world. */
export interface Hazard {
  readonly budget: string;
  moves(truth: Truth, image: Image): readonly Mishap[];
}

export interface Mishap {
  readonly label: string;
  readonly command?: RawCommand;
  readonly image?: Image;
  readonly truth: Truth;
}
