import { setTimeout as delay } from "node:timers/promises";
import type { Answer, Contestant } from "./contestants/contestant.ts";
import type { Documents } from "./documents.ts";
import type { HistoryFile } from "./history.ts";
import { moment } from "./moment.ts";
import { type Plan, type Question, skewed } from "./plan.ts";

export interface VisitorsOptions {
  readonly name: string;
  readonly contestant: Contestant;
  readonly plan: Plan;
  readonly documents: Documents;
  readonly history: HistoryFile;
  readonly random: () => number;
  readonly onCount: (what: string) => void;
}

/** Callers of one contestant in one process: they ask, and write down what they were told. */
export class Visitors {
  readonly #options: VisitorsOptions;
  readonly #questions: ReadonlyMap<string, Question>;
  #going = true;
  #hurry = false;

  constructor(options: VisitorsOptions) {
    this.#options = options;
    this.#questions = new Map(options.plan.questions.map((question) => [question.name, question]));
  }

  /** Asks until `stop()`. */
  async visit(): Promise<void> {
    const { plan, random } = this.#options;
    const { visitors, thinkMs } = plan.variant;
    const one = async (): Promise<void> => {
      while (this.#going) {
        const question = plan.questions[skewed(random, plan.questions.length)];
        if (question) await this.#ask(question);
        await delay(random() * thinkMs);
      }
    };
    await Promise.all(Array.from({ length: visitors }, one));
  }

  stop(): void {
    this.#going = false;
  }

  /** Everything once more, when nothing changes any longer. */
  async lastPass(): Promise<void> {
    this.#hurry = true;
    const { questions } = this.#options.plan;
    const width = 20;
    for (let from = 0; from < questions.length; from += width) {
      await Promise.all(questions.slice(from, from + width).map((question) => this.#ask(question)));
    }
  }

  async #ask(question: Question): Promise<Answer | undefined> {
    const { name: by, contestant, history, onCount } = this.#options;
    const began = moment();
    let filled = false;
    const fill = (): Promise<Answer> => {
      filled = true;
      return this.#fill(question);
    };
    try {
      const { says, versions, from, foreign } = await contestant.answer(question, fill);
      history.add({
        kind: "read",
        by,
        query: question.name,
        began,
        ended: moment(),
        hit: !filled,
        says,
        versions,
        from,
        ...(this.#hurry ? { last: true } : {}),
        ...(foreign === undefined ? {} : { foreign }),
      });
      return { says, versions, from, text: "" };
    } catch (error) {
      onCount(`failed: ${error instanceof Error ? error.name : "unknown"}`);
      return undefined;
    }
  }

  /** Reads one document after the other, slowly, as a program does that asks a database or a model in between. */
  async #fill(question: Question): Promise<Answer> {
    const { plan, documents, random } = this.#options;
    const [least, most] = this.#hurry ? [0, 0] : plan.variant.fillMs;
    const pause = (least + (most - least) * random() ** 2) / (question.documents.length + 1);
    const from = moment();
    const versions: Record<string, number> = {};
    for (const document of question.documents) {
      versions[document] = documents.version(document);
      await delay(pause);
    }
    for (const part of question.parts) {
      const asked = this.#questions.get(part);
      const answer = asked && (await this.#ask(asked));
      if (!answer) throw new Error(`The part ${part} of ${question.name} was not answered.`);
      // Read twice: the answer is as old as the older reading.
      for (const [document, version] of Object.entries(answer.versions)) {
        versions[document] = Math.min(version, versions[document] ?? version);
      }
    }
    await delay(pause);
    return { says: question.name, versions, from, text: "x".repeat(plan.variant.responseBytes) };
  }
}
