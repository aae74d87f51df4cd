import { isUnstaleError } from "@unstale/cache-core";

/** One line of the doctor's report. */
export interface CheckResult {
  readonly name: string;
  readonly status: "ok" | "warn" | "fail";
  /** What was found; for `warn` and `fail` the cause. */
  readonly message: string;
  /** What to do about it: an imperative sentence. */
  readonly todo?: string;
}

export const ok = (name: string, message: string): CheckResult => ({ name, status: "ok", message });
export const warn = (name: string, message: string, todo: string): CheckResult => ({
  name,
  status: "warn",
  message,
  todo,
});
export const fail = (name: string, message: string, todo: string): CheckResult => ({
  name,
  status: "fail",
  message,
  todo,
});

/** What an error means to whoever runs the doctor. Our errors say themselves what to do. */
export function failure(name: string, error: unknown, todo: string): CheckResult {
  const message = error instanceof Error ? error.message : String(error);
  return fail(name, oneLine(isUnstaleError(error) ? message : `unexpected: ${message}`), todo);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
