import { expectThat, type Row } from "../row.ts";
import type { Stage } from "../stage.ts";
import { isShared, noneIsReady } from "./common.ts";

const back = "workers stay alive and say that they are not ready; all is committed within 15 s of the broker's return";

async function outage(
  stage: Stage,
  fault: { readonly begin: () => Promise<unknown>; readonly end: () => Promise<unknown> },
): Promise<void> {
  await isShared(stage);
  await fault.begin();
  await noneIsReady(stage, /\[-\]kafka/);
  await stage.lasting(2_000, 60_000);
  await fault.end();
  await stage.over();
  await Promise.all(stage.workers.map((worker) => worker.ready()));
  const recoveryMs = (await stage.recovery) ?? 0;
  expectThat(recoveryMs <= 15_000, `it took ${recoveryMs} ms to come back`);
}

const down: Row = {
  name: "kafka-down",
  fault: "the only broker is killed, and comes back",
  expected: back,
  stage: { kafka: "own" },
  play: (stage) => outage(stage, { begin: () => stage.kafka.kill(), end: () => stage.kafka.restart() }),
};

const hangs: Row = {
  name: "kafka-hangs",
  fault: "the only broker hangs (SIGSTOP): connections stay open and nothing answers",
  expected: back,
  stage: { kafka: "own" },
  play: (stage) => outage(stage, { begin: async () => stage.kafka.pause(), end: async () => stage.kafka.resume() }),
};

export const kafkaRows: readonly Row[] = [down, hangs];
