import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { quote } from "../../examples/answers/answers.ts";
import { theLamp } from "./editor.ts";
import type { Panes } from "./panes.ts";
import type { Stage } from "./stage.ts";

export interface KeepOptions {
  readonly stage: Stage;
  readonly panes: Panes;
  readonly signal: AbortSignal;
}

/** Says what there is to try, goes on asking what the lamp costs, and waits until somebody ends it. */
export async function keepRunning({ stage, panes, signal }: KeepOptions): Promise<void> {
  panes.say();
  panes.say("Everything keeps running until Ctrl-C. Try, in another terminal:", "strong");
  const page = `${stage.editor.folder}/${theLamp.file}`;
  const change = ["change the price, as an editor would", `sed -i 's/€[0-9.]*/€65.00/' ${page}`] as const;
  for (const [what, command] of [change, ...stage.backend.hints]) {
    panes.say(`# ${what}`, "dim");
    // Not wrapped: it is to be copied.
    process.stdout.write(`${command}\n`);
  }
  panes.say();
  panes.say(`Answers to "${theLamp.question}", whenever they change:`, "strong");
  const ended = once(signal, "abort");
  let last = "";
  while (!signal.aborted) {
    const { text } = await stage.ask("unstale", theLamp.question, quote);
    if (text !== last) panes.say(text);
    last = text;
    await Promise.race([delay(500), ended]);
  }
}
