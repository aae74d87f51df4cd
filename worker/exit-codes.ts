import { isUnstaleError } from "@unstale/cache-core";

/** What the exit code says; `unstale --help` prints the same. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, otherDeployment: 3, interrupted: 130 } as const;

/** Of an error that ended a command. Codes that are not listed are `failed`: starting again may help. */
const codes: Readonly<Record<string, number>> = {
  UNSTALE_SETTINGS: exitCodes.usage,
  UNSTALE_USAGE: exitCodes.usage,
  UNSTALE_NOT_WIDE: exitCodes.usage,
  UNSTALE_INVALID_ARGUMENT: exitCodes.usage,
  UNSTALE_KAFKA_OPTIONS: exitCodes.usage,
  UNSTALE_CONFIG_MISMATCH: exitCodes.otherDeployment,
  UNSTALE_KAFKA_GROUP_SHARED: exitCodes.otherDeployment,
};

export function exitCodeOf(error: unknown): number {
  return isUnstaleError(error) ? (codes[error.code] ?? exitCodes.failed) : exitCodes.failed;
}
