import { setTimeout as delay } from "node:timers/promises";
import type { Producer } from "kafkajs";
import { randomOf } from "../random.ts";
import type { Documents } from "./documents.ts";
import type { HistoryFile } from "./history.ts";
import { moment } from "./moment.ts";
import { type Plan, pickDocument } from "./plan.ts";

const editors = 4;
const voided = ["docs:technical", "docs", "faqs", undefined] as const;

export interface EditorsOptions {
  readonly plan: Plan;
  readonly producer: Producer;
  readonly documents: Documents;
  readonly history: HistoryFile;
}

/** Several at a time change documents and tell Kafka afterwards, until told to stop. */
export class Editors {
  readonly #options: EditorsOptions;
  #going = true;

  constructor(options: EditorsOptions) {
    this.#options = options;
  }

  /** Resolves to the number of changes. */
  async edit(): Promise<number> {
    const { plan } = this.#options;
    const { editsPerSecond, wipesPerSecond, documents } = plan.variant;
    const counts = await Promise.all([
      ...Array.from({ length: editors }, (_, at) => {
        const random = randomOf(plan.seed + 7 * (at + 1));
        return this.#repeat(editsPerSecond / editors, random, () => this.#change(pickDocument(random, documents)));
      }),
      this.#repeat(wipesPerSecond, randomOf(plan.seed), (turn) => this.#void(voided[turn % voided.length])),
    ]);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  stop(): void {
    this.#going = false;
  }

  async #repeat(perSecond: number, random: () => number, deed: (turn: number) => Promise<void>): Promise<number> {
    let turn = 0;
    while (perSecond > 0 && this.#going) {
      // Poisson: now and then several at once.
      await delay((-Math.log(1 - random()) * 1_000) / perSecond);
      await deed(turn);
      turn += 1;
    }
    return turn;
  }

  async #change(document: string): Promise<void> {
    const at = moment();
    const version = this.#options.documents.edit(document);
    const place = await this.#send(document, { id: document });
    this.#options.history.add({ kind: "edit", document, version, at, produced: moment(), ...place });
  }

  async #void(namespace: string | undefined): Promise<void> {
    const at = moment();
    const place = await this.#send("wipe", namespace === undefined ? { all: true } : { namespace });
    this.#options.history.add({ kind: "wipe", ...(namespace === undefined ? {} : { namespace }), at, ...place });
  }

  async #send(key: string, event: object): Promise<{ readonly partition: number; readonly offset: number }> {
    const { producer, plan } = this.#options;
    const [place] = await producer.send({ topic: plan.topic, messages: [{ key, value: JSON.stringify(event) }] });
    if (!place) throw new Error("Kafka did not say where the event is.");
    return { partition: place.partition, offset: Number(place.baseOffset) };
  }
}
