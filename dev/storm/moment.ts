/** Microseconds of CLOCK_MONOTONIC: the same in all processes of a Linux machine, and never set back. */
export function moment(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}
