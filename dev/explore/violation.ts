/** Which promise was broken. `I*` as in ARCHITECTURE.md; `after` and `fresh` what readers demand; the others are not invariants of the protocol but of the world. */
export type Promised = "I1" | "I2" | "I3" | "I5" | "I8" | "I9" | "after" | "fresh" | "H19" | "H20" | "live" | "reply";

/** A world in which a promise is broken. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly promise: Promised;

  constructor(promise: Promised, message: string) {
    super(`${promise}: ${message}`);
    this.promise = promise;
  }
}
