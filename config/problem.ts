/** One thing that is wrong with the settings, as its reader needs it. Never contains a secret. */
export interface Problem {
  /** The setting, as the reader wrote it: an environment variable, `kafka.brokers in unstale.yaml`, `--set http.port`. */
  readonly name: string;
  readonly expected: string;
  readonly got: string;
  /** What to do about it: an imperative sentence. */
  readonly todo: string;
}

/** A value as it may be quoted back: short, on one line. */
export function quoted(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** All problems, one paragraph each. */
export function describeProblems(problems: readonly Problem[]): string {
  return problems
    .map(({ name, expected, got, todo }) => `${name}\n  expected: ${expected}\n  got:      ${got}\n  to do:    ${todo}`)
    .join("\n");
}
