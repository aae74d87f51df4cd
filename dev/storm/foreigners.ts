import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "iovalkey";
import { randomOf } from "../random.ts";
import type { Answer } from "./contestants/contestant.ts";
import type { Documents } from "./documents.ts";
import type { HistoryFile } from "./history.ts";
import { moment } from "./moment.ts";
import { type Plan, pickDocument, type Question } from "./plan.ts";

const writers = 4;
const listEveryMs = 15;
const relistedAfterMs = 300;

export interface ForeignersOptions {
  readonly client: Redis;
  readonly plan: Plan;
  readonly documents: Documents;
  readonly history: HistoryFile;
}

/**
 * Programs that know the plain schema and no leases: they write slow answers of their own (HSET, EXPIRE, SADD), and list
 * answers of ours in dependency sets again, long after they were taken out of them.
 */
export class Foreigners {
  readonly #options: ForeignersOptions;
  readonly #working: Promise<unknown>;
  readonly #own = new Set<string>();
  #going = true;
  #written = 0;
  #listed = 0;

  constructor(options: ForeignersOptions) {
    this.#options = options;
    const questions = options.plan.questions.filter(({ through }) => through === "get");
    // One writer for each question: two would overwrite each other in mid-write.
    const crews = Array.from({ length: writers }, (_, at) => questions.filter((_, index) => index % writers === at));
    const writing = crews.map((crew, at) => this.#write(crew, randomOf(options.plan.seed + at)));
    this.#working = Promise.all([...writing, this.#list(randomOf(options.plan.seed))]);
    // Reported by stop().
    this.#working.catch(() => {});
  }

  get counts(): Readonly<Record<string, number>> {
    return { written: this.#written, "listed again": this.#listed };
  }

  async stop(): Promise<void> {
    this.#going = false;
    await this.#working;
  }

  async #write(questions: readonly Question[], random: () => number): Promise<void> {
    const { client } = this.#options;
    while (this.#going) {
      await delay(5);
      const question = questions[Math.floor(random() * questions.length)];
      const version = await client.get("cache:version");
      if (!question || version === null) continue;
      const key = `cache:v${version}:${createHash("sha256").update(question.name).digest("hex").slice(0, 16)}`;
      this.#own.add(key);
      if ((await client.exists(key)) === 0) await this.#fill(key, question, random);
    }
  }

  async #fill(key: string, { name, documents }: Question, random: () => number): Promise<void> {
    const { client, documents: truth, history, plan } = this.#options;
    const foreign = `foreign-${this.#written}`;
    this.#written += 1;
    const from = moment();
    const versions: Record<string, number> = {};
    const [least, most] = plan.variant.fillMs;
    for (const document of documents) {
      versions[document] = truth.version(document);
      await delay((least + (most - least) * random() ** 2) / documents.length);
    }
    const answer: Answer = { says: name, versions, from, foreign, text: "x".repeat(plan.variant.responseBytes) };
    await client.hset(key, "query", name, "response", JSON.stringify(answer), "sources", JSON.stringify(documents));
    await client.expire(key, 3_600);
    for (const document of documents) await client.sadd(`doc_deps:${document}`, key);
    history.add({ kind: "foreign", id: foreign, at: moment() });
  }

  async #list(random: () => number): Promise<void> {
    const { client, plan } = this.#options;
    const late: Promise<void>[] = [];
    while (this.#going) {
      await delay(listEveryMs);
      const document = pickDocument(random, plan.variant.documents);
      for (const key of await client.srandmember(`doc_deps:${document}`, 3)) {
        // Its own answers it may revive: nothing is promised then.
        if (!this.#own.has(key)) late.push(this.#listLater(key, document, random() * relistedAfterMs));
      }
    }
    await Promise.all(late);
  }

  async #listLater(key: string, document: string, afterMs: number): Promise<void> {
    await delay(afterMs);
    await this.#options.client.sadd(`doc_deps:${document}`, key);
    this.#listed += 1;
  }
}
