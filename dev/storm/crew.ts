import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { Word } from "./program.ts";

/** Processes of one kind, told the same words. */
export class Crew {
  readonly #children: readonly ChildProcess[];

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
  }

  /** Resolves when all are ready. */
  static async start(program: string, planFile: string, count: number): Promise<Crew> {
    const children = Array.from({ length: count }, (_, index) => fork(program, [planFile, String(index)]));
    const crew = new Crew(children);
    try {
      await Promise.all(children.map((child) => answered(child, "ready")));
    } catch (error) {
      await crew.kill();
      throw error;
    }
    return crew;
  }

  async say(word: Word): Promise<void> {
    await Promise.all(this.#children.map((child) => tell(child, word)));
  }

  async sayToFirst(word: Word): Promise<void> {
    const [first] = this.#children;
    if (first) await tell(first, word);
  }

  /** All have written their histories and are gone. */
  async end(): Promise<void> {
    const gone = Promise.all(this.#children.map((child) => once(child, "exit")));
    await this.say("end");
    await gone;
  }

  /** Those that are still there. */
  async kill(): Promise<void> {
    await Promise.all(
      this.#children
        .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
        .map(async (child) => {
          const gone = once(child, "exit");
          child.kill("SIGKILL");
          await gone;
        }),
    );
  }
}

async function tell(child: ChildProcess, word: Word): Promise<void> {
  const answer = answered(child, word);
  child.send(word);
  await answer;
}

function answered(child: ChildProcess, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: unknown): void => {
      if (message !== word) return;
      child.off("message", onMessage);
      child.off("exit", onExit);
      resolve();
    };
    const onExit = (code: number | null): void => {
      reject(new Error(`A process of the storm ended (code ${code}) before it said "${word}".`));
    };
    child.on("message", onMessage).once("exit", onExit);
  });
}
