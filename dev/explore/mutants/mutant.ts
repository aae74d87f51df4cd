import type { Promised } from "../violation.ts";
import type { World } from "../world.ts";

/** A mistake, planted; and a world in which it must come to light. */
export interface Mutant {
  readonly name: string;
  /** The hole of the protocol that it opens again, where it has a number. */
  readonly hole?: string;
  readonly world: World;
  /** Promises of which one is seen broken. */
  readonly breaks: readonly Promised[];
  /** Where the mistake is made in a script: what is there, and what is put in its place. Else it lies in the world's programs. */
  readonly patch?: readonly (readonly [from: string, to: string])[];
}

/** Changes every script that has the text. */
export function patchOf({ patch = [] }: Mutant): (script: string) => string {
  return (script) => patch.reduce((text, [from, to]) => text.replaceAll(from, () => to), script);
}
