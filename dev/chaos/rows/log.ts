// What happens to the log itself, and to the group's offsets.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { sendFromJava } from "../java-producer.ts";
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

/** No load meanwhile; what was in the ledger is accounted for apart. */
async function makeAnew(stage: Stage): Promise<void> {
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
}

const recreated: Row = {
  name: "topic-recreated",
  fault: "the topic is deleted and made anew under running workers",
  expected: "found as another log: everything is invalidated, and the new log is read from its beginning",
  barriers: "some",
  forgets: true,
  play: async (stage) => {
    await isShared(stage);
    await makeAnew(stage);
    stage.load.change({ rate: 600 });
    await stage.load.more(100);
    await stage.over();
  },
};

const refilled: Row = {
  name: "topic-refilled",
  fault: "while no worker runs, the topic is deleted, made anew, and filled beyond the offsets that were committed",
  expected: "found as another log by its id: everything is invalidated, and the new log is read from its beginning",
  barriers: "some",
  forgets: true,
  play: async (stage) => {
    await isShared(stage);
    await replaceWorkers(stage, async () => {
      const before = stage.load.events.length;
      await makeAnew(stage);
      stage.load.change({ rate: 2_000 });
      await stage.load.more(before + 400);
      stage.load.change({ rate: 600 });
    });
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

const compacted: Row = {
  name: "compacted-topic",
  fault: "compaction takes records out of the log, and leaves batches without any",
  expected: "no gap is seen in it, and nothing stalls",
  stage: {
    workers: 0,
    topic: {
      "cleanup.policy": "compact",
      "min.cleanable.dirty.ratio": "0.01",
      "segment.ms": "500",
      "delete.retention.ms": "0",
    },
  },
  play: async (stage) => {
    const folder = stage.kafka.logFolder;
    if (folder === undefined) throw new Error("Expected a broker whose files can be looked at.");
    const { topic } = stage;
    const { brokers } = stage.kafka;
    stage.load.change({ rate: 0 });
    // Each run is another producer, whose last batch stays, even when all its records were overwritten. They come one by
    // one, each in a segment of its own; what follows lies in another one, so that a fetch finds nothing but empty batches.
    for (let round = 0; round < 3; round += 1) {
      const records = [0, 1, 2, 3].map((partition) => ({
        partition,
        key: `twice:${partition}`,
        value: '{"id":"twice"}',
      }));
      await sendFromJava({ brokers, topic, compression: "none", records });
    }
    const ends = await stage.ends();
    await until("the log is compacted", async () => {
      const lines = (await readFile(join(folder, "cleaner-offset-checkpoint"), "utf8")).split("\n");
      const cleaned = lines.map((line) => line.split(" ")).filter(([name]) => name === topic);
      return (
        cleaned.length === 4 &&
        cleaned.every(([, partition, to]) => BigInt(to ?? 0) === (ends.get(Number(partition)) ?? 0n) - 1n)
      );
    });
    stage.load.change({ rate: 600 });
    await Promise.all([stage.start(), stage.start()]);
    await stage.over();
    await Promise.all(stage.workers.map((worker) => worker.ready()));
    await stage.recovery;
  },
};

export const logRows: readonly Row[] = [overtaken, recreated, refilled, reset, expired, transactions, compacted];
