/**
 * What the connection to Valkey last complained of. A command that cannot be sent only knows that nobody answered in time;
 * why is said here.
 */
export interface ConnectionProblem {
  /** For the store's `onError`. */
  note(error: Error): void;
  /** One line, without secrets; absent while nothing was wrong. */
  readonly last: string | undefined;
  /** Valkey refused user or password: waiting does not mend it. */
  readonly isRefusal: boolean;
}

export function createConnectionProblem(): ConnectionProblem {
  let last: string | undefined;
  return {
    note: (error) => {
      // A name with several addresses fails with one error for all of them, whose own message is empty.
      const causes = error instanceof AggregateError ? error.errors.map(String) : [];
      last = [error.message, ...causes].filter((part) => part !== "").join("; ");
    },
    get last() {
      return last;
    },
    get isRefusal() {
      return /\b(NOAUTH|WRONGPASS|NOPERM)\b/.test(last ?? "");
    },
  };
}
