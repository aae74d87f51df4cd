/** How much one step of a long deletion does: more while replies come fast, less as soon as they do not. */
export interface StepSize {
  readonly count: number;
  /** How long the last step took, its way there and back included. */
  learn(ms: number): void;
}

/** A step that took no longer did not keep others waiting. */
const fastMs = 1;
/** A step that took longer was too large, or the server has much to do. */
const slowMs = 3;

/** Between a third of the first step and twice as much. */
export function createStepSize(first: number): StepSize {
  const most = first * 2;
  const least = Math.max(1, Math.ceil(first / 3));
  let count = first;
  return {
    get count() {
      return count;
    },
    learn: (ms) => {
      if (ms <= fastMs) count = Math.min(most, Math.ceil(count * 1.25));
      else if (ms > slowMs) count = Math.max(least, Math.floor(count / 2));
    },
  };
}
