import type { OwnedProcess } from "./owned-process.ts";

/** A service somebody can use. Control over the process exists only where we started it (`owned`). */
export interface ServiceHandle {
  /** One line: what it is and where it came from. */
  readonly chosen: string;
  readonly owned: boolean;
  /** Of the running server; undefined when it is not ours or not running. */
  readonly pid: number | undefined;
  /** Output of the server, while it is ours and not stopped. */
  readonly logFile: string | undefined;
  /** Ends the server and removes its data; for a borrowed one nothing. May be called again. */
  stop(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
  /** SIGKILL; `restart()` brings it back on the same port with the same data. */
  kill(): Promise<void>;
  restart(): Promise<void>;
}

export function ownedControls(server: OwnedProcess): Omit<ServiceHandle, "chosen"> {
  return {
    owned: true,
    get pid() {
      return server.pid;
    },
    logFile: server.logFile,
    stop: () => server.stop(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    kill: () => server.kill(),
    restart: () => server.restart(),
  };
}

export function borrowedControls(variable: string): Omit<ServiceHandle, "chosen"> {
  const refuse = (verb: string) => () => {
    throw new Error(
      `Expected a server of our own to ${verb}, but this one was given by ${variable}. Start it with {fresh: true}.`,
    );
  };
  return {
    owned: false,
    pid: undefined,
    logFile: undefined,
    stop: async () => {},
    pause: refuse("pause"),
    resume: refuse("resume"),
    kill: async () => refuse("kill")(),
    restart: async () => refuse("restart")(),
  };
}
