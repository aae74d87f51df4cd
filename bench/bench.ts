import type { Table } from "./report.ts";
import type { Server } from "./server.ts";

/** One bench: first it checks that what it times is correct, then it times it. */
export interface Bench {
  /** What follows `npm run bench --`. */
  readonly name: string;
  readonly title: string;
  /** What is aimed at, one line each. */
  readonly goals: readonly string[];
  run(lab: Lab): Promise<readonly Table[]>;
}

/** What a bench gets: servers, sizes, and a place to say how far it is. */
export interface Lab {
  /** The first in a full run; the second in a smoke run, where only the correctness counts. */
  pick<T>(full: T, smoke: T): T;
  /** A Valkey of its own, stopped when the bench ends; with these lines more in its valkey.conf. */
  valkey(config?: readonly string[]): Promise<Server>;
  /** Of one Kafka for all benches of the run. */
  brokers(): Promise<readonly string[]>;
  /** The folder of the built programs, for benches that start processes. */
  readonly dist: string;
  say(line: string): void;
  /** Called when the bench ends, last come first served. */
  onEnd(cleanup: () => Promise<void> | void): void;
}

/** A bench that times something wrong is worth nothing. */
export function check(claim: boolean, problem: string): void {
  if (!claim) throw new Error(`Nothing was timed, since it is not correct: ${problem}`);
}
