// One moment, slowed down: a page is edited while answers are being computed from its old text.
import { setTimeout as delay } from "node:timers/promises";
import { quote, type Writer } from "../../examples/answers/answers.ts";
import { theLamp } from "./editor.ts";
import { type Panes, type Side, sides } from "./panes.ts";
import type { Reply, Stage } from "./stage.ts";

export interface MomentOptions {
  readonly stage: Stage;
  readonly panes: Panes;
  /** How long a reader gets for each step, in milliseconds. */
  readonly paceMs: number;
}

const newPrice = "€59.00";

export async function playMoment({ stage, panes, paceMs }: MomentOptions): Promise<void> {
  const { question, file, id } = theLamp;
  const oldPrice = await stage.editor.priceOf(theLamp);
  const pause = () => delay(paceMs);
  const priceIn = (text: string) => /€\d+\.\d\d/.exec(text)?.[0] ?? text;

  panes.say(`A customer asks: ${question}`, "strong");
  await pause();

  // Everything from here to the edit being applied happens at full speed; only the telling of it is slowed down.
  const writing = createSlowWriter();
  const replies: Record<Side, Promise<Reply>> = {
    plain: stage.ask("plain", question, writing.plain.write),
    unstale: stage.ask("unstale", question, writing.unstale.write),
  };
  await Promise.all([writing.plain.started, writing.unstale.started]);
  const edit = await stage.edit(theLamp, newPrice);
  const applied = Promise.all(sides.map(async (side) => (await stage.applied(side, edit)).at - edit.savedAt));

  const reads = `reads article:42, the lamp's page: ${oldPrice}`;
  panes.pair({ plain: `Not cached: ${reads}.`, unstale: `Not cached: takes a lease, ${reads}.` });
  panes.pair({ plain: "Writing the answer …", unstale: "Writing the answer …" }, "dim");
  await pause();

  panes.say();
  panes.say(`Meanwhile an editor saves ${file}: ${oldPrice} becomes ${newPrice}.`, "strong");
  const [plainMs = 0, unstaleMs = 0] = await applied;
  await pause();
  panes.pair({
    plain: `${plainMs.toFixed(0)} ms later, event ${id}: SMEMBERS is empty, nothing to DEL.`,
    unstale: `${unstaleMs.toFixed(0)} ms later, event ${id}: nothing to delete; the change is noted.`,
  });
  await pause();

  panes.say();
  panes.say("Now the answers are finished. Both were built from the old text.", "strong");
  await pause();
  const refused = stage.nextRefusal();
  writing.plain.finish();
  await replies.plain;
  panes.tell("plain", `HSET, EXPIRE, SADD: ${oldPrice} is cached for 6 hours.`, "bad");
  writing.unstale.finish();
  const { document, changedAfterMs = 0 } = await refused;
  panes.tell(
    "unstale",
    `late write refused: ${document} changed ${changedAfterMs.toFixed(0)} ms after its lease`,
    "good",
  );
  const { text } = await replies.unstale;
  panes.tell("unstale", `Reads the page again: ${priceIn(text)}. This is cached.`, "good");
  await pause();

  panes.say();
  panes.say("The next customers ask the same.", "strong");
  for (const nth of ["2nd", "3rd", "4th"]) {
    await pause();
    for (const side of sides) {
      const answer = await stage.ask(side, question, quote);
      const right = answer.text.includes(newPrice);
      const from = answer.hit ? "hit" : "computed";
      panes.tell(
        side,
        `${nth} customer: ${priceIn(answer.text)} (${from}), ${right ? "right" : "wrong"}`,
        right ? "good" : "bad",
      );
    }
  }
  await pause();
}

interface SlowWriter {
  readonly write: Writer;
  /** Resolves when the pages were read and the writing of the answer began. */
  readonly started: Promise<void>;
  readonly finish: () => void;
}

/** Stands in for a language model that takes its time: the first answer of each side is held back until told. */
function createSlowWriter(): Record<Side, SlowWriter> {
  const one = (): SlowWriter => {
    let begin = () => {};
    let finish = () => {};
    const started = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    return {
      started,
      finish: () => finish(),
      async write(question, passages) {
        begin();
        await finished;
        return quote(question, passages);
      },
    };
  };
  return { plain: one(), unstale: one() };
}
