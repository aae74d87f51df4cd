import { expectThat, type Row } from "../row.ts";
import type { Stage } from "../stage.ts";
import { until } from "../until.ts";
import { appliedOffsets, keys } from "../valkey-tool.ts";
import { isShared, ownsAll } from "./common.ts";

/** Writes wait in Valkey, so that a slice is on its way for as long as we like. */
async function holdSlices(stage: Stage): Promise<void> {
  await stage.tool.client("PAUSE", 30_000, "WRITE");
  // With this many more, each partition has something to apply.
  await stage.load.more(stage.options.rate ?? 600);
}

const killedMidBatch: Row = {
  name: "worker-killed-mid-batch",
  fault: "`kill -9` of a worker while Valkey has its slice and has not answered",
  expected: "the others take over its partitions after the session timeout",
  play: async (stage) => {
    await isShared(stage);
    await holdSlices(stage);
    await stage.worker(0).kill();
    await stage.tool.client("UNPAUSE");
    await stage.over();
    await ownsAll(stage, stage.worker(1));
  },
};

const killedBeforeCommit: Row = {
  name: "worker-killed-before-commit",
  fault: "`kill -9` of a worker that applied events and did not commit them",
  expected: "they are applied again by another worker, which changes nothing",
  stage: { planted: true },
  play: async (stage) => {
    await isShared(stage);
    const worker = stage.worker(0);
    await worker.plant({ kind: "hold-commits" });
    const mine = worker.partitions(stage.topic);
    await until("more is applied than committed", async () => {
      const [applied, committed] = await Promise.all([
        appliedOffsets(stage.tool, stage.topic),
        stage.group.committed(),
      ]);
      return mine.every((one) => (applied.get(one) ?? 0) > Number(committed.get(one) ?? 0n) + 20);
    });
    await worker.kill();
    await stage.over();
    await ownsAll(stage, stage.worker(1));
  },
};

const killedMidDrain: Row = {
  name: "worker-killed-mid-drain",
  fault: "`kill -9` of a worker that deletes the 5,000 entries of one document, half-way",
  expected: "nothing of it is served meanwhile; another worker deletes the rest",
  // Steps of a drain are slow enough to come between two of them.
  stage: { valkeyProxy: true },
  play: async (stage) => {
    await isShared(stage);
    const worker = stage.worker(0);
    const drains = (): Promise<number> => stage.tool.hlen(keys.draining(0));
    await stage.fillOne("list:everything", 5_000);
    stage.valkeyProxy?.delay(25);
    const before = await stage.tool.dbsize();
    await stage.change("list:everything", worker.partitions(stage.topic)[0] ?? 0);
    await until(
      "the drain is under way",
      async () => (await drains()) > 0 && (await stage.tool.dbsize()) < before - 500,
    );
    await worker.kill();
    expectThat((await drains()) > 0, "the drain was over before the worker was killed");
    stage.valkeyProxy?.delay(0);
    await stage.over();
    await ownsAll(stage, stage.worker(1));
    await until("no drain is left", async () => (await drains()) === 0);
  },
};

const zombie: Row = {
  name: "worker-zombie",
  fault: "a worker is stopped (SIGSTOP) with a slice on its way, for longer than its session, and goes on (SIGCONT)",
  expected: "its late commits change nothing; it joins again",
  play: async (stage) => {
    await isShared(stage);
    await holdSlices(stage);
    stage.worker(0).signal("SIGSTOP");
    await stage.tool.client("UNPAUSE");
    await ownsAll(stage, stage.worker(1));
    await stage.lasting(1_000, 20_000);
    stage.worker(0).signal("SIGCONT");
    await stage.over();
    await isShared(stage);
  },
};

const terminated: Row = {
  name: "worker-terminated",
  fault: "SIGTERM under load",
  expected:
    "slices under way finish, offsets are committed, the group is left, exit code 0 within the drain timeout + 5 s",
  duplicates: "none",
  play: async (stage) => {
    await isShared(stage);
    const worker = stage.worker(0);
    worker.mayEnd = true;
    const began = Date.now();
    worker.signal("SIGTERM");
    await stage.over();
    const { code } = await worker.ended;
    expectThat(code === 0 && worker.stderr === "", `exit code ${code}, on standard error: "${worker.stderr}"`);
    expectThat(Date.now() - began < 10_000, `it took ${Date.now() - began} ms to end`);
    expectThat((await stage.group.members()) === 1, "it did not leave the group");
    await ownsAll(stage, stage.worker(1));
  },
};

const terminatedTwice: Row = {
  name: "worker-terminated-twice",
  fault: "SIGTERM while Valkey does not answer, and a second one",
  expected: "the first waits for work under way; the second ends the worker at once",
  play: async (stage) => {
    await isShared(stage);
    const worker = stage.worker(0);
    worker.mayEnd = true;
    await holdSlices(stage);
    worker.signal("SIGTERM");
    await until("it is stopping", () => worker.said("stopping"));
    expectThat(worker.alive, "it did not wait for its slices");
    worker.signal("SIGTERM");
    const { code } = await worker.ended;
    expectThat(code === 143, `exit code ${code}`);
    await stage.tool.client("UNPAUSE");
    await stage.over();
    await ownsAll(stage, stage.worker(1));
  },
};

const storm: Row = {
  name: "rebalance-storm",
  fault: "workers join, leave and are killed every two seconds",
  expected: "the rest goes on between; no endless rebalancing",
  play: async (stage) => {
    const rounds = stage.short ? 3 : 15;
    for (let round = 0; round < rounds; round += 1) {
      const guest = await stage.start();
      await until(`${guest.name} joined`, () => guest.said("joined the group") || !guest.alive);
      await stage.lasting(300, 2_000);
      if (round % 2 === 0) await guest.kill();
      else await guest.stop();
    }
    await stage.over();
    await isShared(stage);
    const events = stage.load.events.length;
    await stage.load.more(stage.options.rate ?? 600);
    expectThat(stage.load.events.length > events, "nothing flows any more");
  },
};

const partitionsAdded: Row = {
  name: "partitions-added",
  fault: "the topic gets more partitions while it is read",
  expected: "they are read from their beginning, once the client has looked again (10 s at most)",
  play: async (stage) => {
    const { group } = stage;
    await group.admin.createPartitions({ topicPartitions: [{ topic: group.topic, count: 6 }] });
    stage.load.change({ partitions: 6 });
    await stage.load.more(100);
    await stage.over();
    await until("all six partitions are owned", async () => {
      const owned = await Promise.all(stage.workers.map((worker) => worker.owned()));
      return owned.reduce((sum, count) => sum + count, 0) === 6;
    });
  },
};

export const workerRows: readonly Row[] = [
  killedMidBatch,
  killedBeforeCommit,
  killedMidDrain,
  zombie,
  terminated,
  terminatedTwice,
  storm,
  partitionsAdded,
];
