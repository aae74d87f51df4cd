import { inspect } from "node:util";

const redacted = "[redacted]";

/**
 * A value that must not be seen. Whatever prints it (a template, JSON, `console.log`, a logger) gets `[redacted]`, or the
 * harmless form it was made with; only {@link Secret.reveal} gives the value, and only the wiring calls that.
 */
export class Secret {
  readonly #value: string;
  readonly #shown: string;

  constructor(value: string, shown: string = redacted) {
    this.#value = value;
    this.#shown = shown;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return this.#shown;
  }

  toJSON(): string {
    return this.#shown;
  }

  [inspect.custom](): string {
    return this.#shown;
  }
}

/** A URL as it may be shown: with its host, without its password and without query values. */
export function redactUrl(url: URL): string {
  const user = url.username === "" ? "" : url.username;
  const credentials = url.password === "" ? user : `${user}:${redacted}`;
  const query = [...url.searchParams.keys()].map((key) => `${key}=${redacted}`).join("&");
  const path = url.pathname === "/" ? "" : url.pathname;
  return `${url.protocol}//${credentials === "" ? "" : `${credentials}@`}${url.host}${path}${query === "" ? "" : `?${query}`}`;
}
