import type { Question } from "../plan.ts";

/** What is cached: it says itself what it was built from, so that a history can be judged without asking the cache. */
export interface Answer {
  readonly says: string;
  readonly versions: Readonly<Record<string, number>>;
  /** When its fill began. */
  readonly from: number;
  readonly foreign?: string;
  readonly text: string;
}

/** A way to cache answers and to end them, as its documentation tells users to. */
export interface Contestant {
  /** The kept answer, or that of `fill`. */
  answer(question: Question, fill: () => Promise<Answer>): Promise<Answer>;
  /** Ends all answers built from these documents. Ours has a worker for that. */
  invalidate?(documents: readonly string[]): Promise<unknown>;
  /** Voids a namespace, or everything. */
  wipe?(namespace: string | undefined): Promise<unknown>;
  close(): Promise<unknown>;
}

export interface ContestantOptions {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  /** Something happened that is only counted. */
  readonly onCount: (what: string) => void;
}
