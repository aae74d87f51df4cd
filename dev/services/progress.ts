/** Receives human lines; a transient one ("12 of 45 jars") may be overwritten by the next. */
export type Progress = (line: string, options?: { transient?: boolean }) => void;

export const silent: Progress = () => {};

export interface TerminalProgressOptions {
  readonly stream?: { readonly isTTY?: boolean; write(text: string): unknown };
  readonly now?: () => number;
}

const QUIET_MS = 3_000;

/** Updates transient lines in place on a terminal; elsewhere prints one of them every few seconds. */
export function terminalProgress({ stream = process.stderr, now = Date.now }: TerminalProgressOptions = {}): Progress {
  const inPlace = stream.isTTY === true;
  let openLine = false;
  let lastWrite = Number.NEGATIVE_INFINITY;
  return (line, { transient = false } = {}) => {
    if (transient && !inPlace && now() - lastWrite < QUIET_MS) return;
    const clear = openLine ? "\r\u001b[2K" : "";
    openLine = transient && inPlace;
    lastWrite = now();
    stream.write(`${clear}${line}${openLine ? "" : "\n"}`);
  };
}
