import { expectThat, type Row } from "../row.ts";
import type { Stage } from "../stage.ts";
import { until } from "../until.ts";
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
  play: (stage) => outage(stage, { begin: () => stage.broker().kill(), end: () => stage.broker().restart() }),
};

const hangs: Row = {
  name: "kafka-hangs",
  fault: "the only broker hangs (SIGSTOP): connections stay open and nothing answers",
  expected: back,
  stage: { kafka: "own" },
  play: (stage) =>
    outage(stage, { begin: async () => stage.broker().pause(), end: async () => stage.broker().resume() }),
};

const halfOpen: Row = {
  name: "kafka-half-open",
  fault: "the network to Kafka swallows everything, and nobody is told; later all connections are reset",
  expected: back,
  stage: { kafka: "proxied" },
  play: (stage) =>
    outage(stage, {
      begin: async () => stage.kafka.network?.silence(),
      end: async () => stage.kafka.network?.heal(),
    }),
};

/** The group lives on: others take over what the broker led. */
async function oneOfThree(stage: Stage, harm: (id: number) => Promise<unknown>, withinMs: number): Promise<void> {
  await isShared(stage);
  const coordinator = await stage.group.leaderOf("__consumer_offsets");
  await harm(coordinator);
  await until("another broker coordinates the group", async () => {
    const leader = await stage.group.leaderOf("__consumer_offsets");
    return leader > 0 && leader !== coordinator;
  });
  await stage.lasting(3_000, 60_000);
  const goal = await stage.ends();
  await stage.group.reached(goal, withinMs);
  await stage.broker(coordinator).restart();
  await stage.over();
  await Promise.all(stage.workers.map((worker) => worker.ready()));
}

const oneKilled: Row = {
  name: "broker-killed",
  fault: "one of three brokers, the one that coordinates the group, is killed, and comes back",
  expected: "the others take over; all goes on within 15 s, while it is still away",
  stage: { kafka: "cluster" },
  play: (stage) => oneOfThree(stage, (id) => stage.broker(id).kill(), 15_000),
};

export const kafkaRows: readonly Row[] = [down, hangs, halfOpen, oneKilled];
