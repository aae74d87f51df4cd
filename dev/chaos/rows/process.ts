// What happens to the worker process from inside, and around it.
import { startValkey } from "../../services/index.ts";
import { expectThat, type Row } from "../row.ts";
import { until } from "../until.ts";
import { isShared, ownsAll } from "./common.ts";

const hour = 3_600_000;

const crash: Row = {
  name: "client-crashes",
  fault: "the Kafka client meets a bug of its own, three times",
  expected: "the consumer is built anew each time; the process lives on",
  stage: { planted: true },
  play: async (stage) => {
    await isShared(stage);
    const worker = stage.worker(0);
    await worker.plant({ kind: "crash", times: 3 });
    await until("the consumer was built anew", () => worker.said("the consumer crashed and is built anew"));
    await stage.over();
    await isShared(stage);
    expectThat((await worker.get("/livez")).status === 200, "it wants to be replaced");
  },
};

const gaveUp: Row = {
  name: "client-crashes-for-good",
  fault: "the Kafka client crashes again and again",
  expected: "after 8 crashes within 10 minutes the worker ends with exit code 1; another takes over",
  stage: { planted: true },
  play: async (stage) => {
    await isShared(stage);
    const worker = stage.worker(0);
    worker.mayEnd = true;
    await worker.plant({ kind: "crash", times: 1_000 });
    const { code } = await worker.ended;
    expectThat(code === 1, `exit code ${code}`);
    const crashes = worker.lines.filter(({ msg }) => String(msg).includes("is built anew")).length + 1;
    expectThat(crashes === 8, `it ended after ${crashes} crashes`);
    await stage.over();
    await ownsAll(stage, stage.worker(1));
  },
};

const loginRefused: Row = {
  name: "login-refused",
  fault: "Kafka refuses the worker's credentials when they are shown again, three times",
  expected: "as they worked before, they are tried again; the process lives on",
  stage: { planted: true },
  play: async (stage) => {
    await isShared(stage);
    const worker = stage.worker(0);
    await worker.plant({ kind: "login-refused", times: 3 });
    await until("the consumer was built anew", () => worker.said("the consumer crashed and is built anew"));
    await stage.over();
    await isShared(stage);
    expectThat((await worker.get("/livez")).status === 200, "it wants to be replaced");
  },
};

const clock: Row = {
  name: "clock-jumps",
  fault: "the clocks of the workers' hosts jump, one by an hour ahead and one by an hour back",
  expected: "nothing changes but the times in the log",
  stage: { planted: true },
  play: async (stage) => {
    await isShared(stage);
    await stage.worker(0).plant({ kind: "clock", byMs: hour });
    await stage.worker(1).plant({ kind: "clock", byMs: -hour });
    await stage.lasting(5_000, 30_000);
    await stage.over();
    await isShared(stage);
    expectThat((await stage.group.members()) === 2, "a worker lost its membership");
  },
};

const diskFull: Row = {
  name: "log-disk-full",
  fault: "standard output is a file on a full disk (`/dev/full`)",
  expected: "lines are lost, events are not",
  stage: { workers: 1 },
  play: async (stage) => {
    const worker = await stage.startWithStdout("/dev/full");
    await worker.ready();
    await stage.worker(0).stop();
    await ownsAll(stage, worker);
    await stage.load.more(600);
    await stage.over();
  },
};

const readerGone: Row = {
  name: "log-reader-gone",
  fault: "the reader of standard output goes away (EPIPE)",
  expected: "lines are lost, events are not",
  play: async (stage) => {
    await isShared(stage);
    stage.worker(0).stdoutPipe?.destroy();
    await stage.lasting(1_000, 10_000);
    await stage.over();
    await isShared(stage);
  },
};

const twoGroups: Row = {
  name: "two-groups-on-one-valkey",
  fault: "a worker of another consumer group is started on the same Valkey",
  expected: "it does not start, and says which two groups there are",
  play: async (stage) => {
    await isShared(stage);
    const stranger = await stage.start({ UNSTALE_KAFKA_GROUP_ID: "another-group" });
    stranger.mayEnd = true;
    const { code } = await stranger.ended;
    expectThat(code === 3 && stranger.tail().includes("UNSTALE_CONFIG_MISMATCH"), `exit code ${code}`);
    expectThat(stranger.tail().includes("another-group"), "it does not name the groups");
    await stage.over();
  },
};

const twoValkeys: Row = {
  name: "two-valkeys-in-one-group",
  fault: "a worker of the same consumer group is started on another Valkey",
  expected: "it does not run, and takes none of the events; it says that the group is another deployment's",
  play: async (stage) => {
    await isShared(stage);
    const other = await startValkey({ fresh: true });
    stage.closing.push(() => other.stop());
    const stranger = await stage.start({ UNSTALE_VALKEY_URL: other.url });
    stranger.mayEnd = true;
    const { code } = await stranger.ended;
    expectThat(code !== 0 && stranger.tail().includes("UNSTALE_KAFKA_GROUP_SHARED"), `exit code ${code}`);
    expectThat(stranger.slices.length === 0, "it applied events");
    await stage.over();
    await isShared(stage);
  },
};

export const processRows: readonly Row[] = [
  crash,
  gaveUp,
  loginRefused,
  clock,
  diskFull,
  readerGone,
  twoGroups,
  twoValkeys,
];
