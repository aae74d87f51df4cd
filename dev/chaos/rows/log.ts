// What happens to the log itself, and to the group's offsets.
import { setTimeout as delay } from "node:timers/promises";
import { expectThat, type Row } from "../row.ts";
import type { Stage } from "../stage.ts";
import { until } from "../until.ts";
import { isShared } from "./common.ts";

/** Stops all workers in order; others begin where `meanwhile` left the group. */
async function replaceWorkers(stage: Stage, meanwhile: () => Promise<unknown>): Promise<void> {
  const before = [...stage.workers];
  await Promise.all(before.map((worker) => worker.stop()));
  await until("the group is empty", async () => (await stage.group.members()) === 0);
  await meanwhile();
  const after = await Promise.all(before.map(() => stage.start()));
  await Promise.all(after.map((worker) => worker.ready()));
}

const overtaken: Row = {
  name: "retention-overtakes",
  fault: "Valkey hangs, and retention deletes events that nobody has read",
  expected: "the gap is found and said with its offsets; everything that the topic may feed is invalidated",
  barriers: "some",
  forgets: true,
  play: async (stage) => {
    await isShared(stage);
    stage.valkey.pause();
    await stage.load.more(1_500);
    const ends = await stage.ends();
    const { admin, topic } = stage.group;
    const partitions = [...ends].map(([partition, end]) => ({ partition, offset: String(end) }));
    await admin.deleteTopicRecords({ topic, partitions });
    await stage.load.more(600);
    stage.valkey.resume();
    await stage.over();
    await until("the gap is said with its offsets", () =>
      stage.workers.some(({ lines }) =>
        lines.some(({ reason, from, to }) => reason === "gap-retention" && Number(to) > Number(from)),
      ),
    );
  },
};

const recreated: Row = {
  name: "topic-recreated",
  fault: "the topic is deleted and made anew under running workers",
  expected: "found as another log: everything is invalidated, and the new log is read from its beginning",
  barriers: "some",
  forgets: true,
  play: async (stage) => {
    await isShared(stage);
    const { admin, topic } = stage.group;
    stage.load.change({ rate: 0 });
    await delay(100);
    // Its last step, a look at the topics that it has just deleted, may fail.
    await admin.deleteTopics({ topics: [topic] }).catch(() => {});
    await until("the topic is there again", async () => {
      await stage.group.createTopic(topic, 4);
      return true;
    });
    stage.beginAnotherLog();
    stage.load.change({ rate: 600 });
    await stage.load.more(100);
    await stage.over();
  },
};

const reset: Row = {
  name: "offsets-reset",
  fault: "the group's offsets are set back to the beginning of the log",
  expected:
    "an offset that a tool has set does not say in which log it counts: everything is invalidated, and the log is read from its beginning",
  barriers: "some",
  play: async (stage) => {
    await isShared(stage);
    await stage.load.more(600);
    const { admin, groupId, topic } = stage.group;
    const partitions = [...(await stage.ends())].map(([partition]) => ({ partition, offset: "0" }));
    await replaceWorkers(stage, () => admin.setOffsets({ groupId, topic, partitions }));
    await stage.over();
  },
};

const expired: Row = {
  name: "offsets-expired",
  fault: "the group is forgotten with its offsets",
  expected: "as the log may be another one, everything is invalidated; then it is read from its beginning",
  barriers: "some",
  play: async (stage) => {
    await isShared(stage);
    await stage.load.more(600);
    const { admin, groupId } = stage.group;
    await replaceWorkers(stage, () => admin.deleteGroups([groupId]));
    await stage.over();
  },
};

const transactions: Row = {
  name: "transactions",
  fault: "a transactional producer writes beside the others, and aborts every other time",
  expected: "aborted events are not applied; markers hold nothing up",
  play: async (stage) => {
    await isShared(stage);
    const producer = stage.group.transactionalProducer();
    await producer.connect();
    for (let turn = 0; turn < (stage.short ? 20 : 200); turn += 1) {
      const id = `transaction:${turn}`;
      const transaction = await producer.transaction();
      const [sent] = await transaction.send({
        topic: stage.topic,
        messages: [{ key: id, value: JSON.stringify({ id }), partition: turn % 4 }],
      });
      if (turn % 2 === 0) await transaction.abort();
      else await transaction.commit();
      if (turn % 2 === 0) continue;
      const place = { topic: stage.topic, partition: turn % 4, offset: Number(sent?.baseOffset) };
      stage.load.events.push({ id, ...place, at: Date.now() });
    }
    await producer.disconnect();
    await stage.over();
    await stage.recovery;
    const fences = await stage.tool.zmscore("unstale:fence", "transaction:0", "transaction:1");
    expectThat(fences[0] === null && fences[1] !== null, "an aborted event was applied");
  },
};

export const logRows: readonly Row[] = [overtaken, recreated, reset, expired, transactions];
