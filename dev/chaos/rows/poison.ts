// Records that cannot be read, and those that only look as if.
import { openScratch } from "../../services/scratch.ts";
import { writeCodecPackages } from "../java-codecs.ts";
import { expectThat, type Row } from "../row.ts";
import { until } from "../until.ts";
import { isShared } from "./common.ts";

const undecodable: Row = {
  name: "poison",
  fault: "bytes that are no JSON, events without an id, of a wrong schema, null key and null value, among good ones",
  expected: "each goes to the dead letters with reason, origin, its bytes and headers; all others are applied",
  play: async (stage) => {
    await isShared(stage);
    const bytes = Buffer.from([0xff, 0x00, 0x80, 0x7b]);
    const poison = [
      { key: null, value: bytes, headers: { "x-own": "kept" } },
      { key: null, value: "{ not json" },
      { key: null, value: '{"title":"no id"}' },
      { key: null, value: '{"id":{"deep":[1]}}' },
      { key: null, value: '{"namespace":"docs"}' },
      { key: null, value: null },
      { key: null, value: "" },
    ];
    for (let partition = 0; partition < 4; partition += 1) {
      await stage.send(poison.map((record) => ({ ...record, partition })));
    }
    await stage.over();
    await stage.recovery;
    const letters = await stage.group.deadLetters(4 * poison.length);
    const first = letters.find(({ value }) => value?.equals(bytes));
    const headers = Object.fromEntries(Object.entries(first?.headers ?? {}).map(([name, one]) => [name, String(one)]));
    expectThat(
      headers["x-own"] === "kept" && headers["unstale-reason"] === "not-json",
      `a letter says ${JSON.stringify(headers)}`,
    );
    expectThat(headers["unstale-origin-topic"] === stage.topic, "a letter does not say where it comes from");
    const reasons = letters.map(({ headers: said }) => String(said?.["unstale-reason"]));
    expectThat(!reasons.includes("undefined"), `the reasons are ${reasons.join(", ")}`);
  },
};

const megabytes = "x".repeat(10_000_000);

const large: Row = {
  name: "poison-large",
  fault: "values of 10 MB, one a good event and one not",
  expected: "the event is applied; the other's dead letter says size and origin, as it does not fit whole",
  stage: { topic: { "max.message.bytes": "12000000" } },
  play: async (stage) => {
    await isShared(stage);
    const id = "article:large";
    await stage.fillOne(id, 1);
    const event = JSON.stringify({ id, text: megabytes });
    const [sent] = await stage.send([{ key: null, value: event, partition: 0 }]);
    stage.load.events.push({ id, topic: stage.topic, partition: 0, offset: Number(sent?.offset), at: Date.now() });
    await stage.send([{ key: null, value: megabytes, partition: 1 }]);
    await stage.over();
    await stage.recovery;
    const [letter] = await stage.group.deadLetters(1);
    expectThat(String(letter?.headers?.["unstale-value-bytes"]) === "10000000", "the letter does not say its size");
  },
};

const tiny: Row = {
  name: "batch-of-100000",
  fault: "100,000 tiny events in one batch",
  expected: "cut into slices; the group hears from the worker meanwhile",
  stage: { topic: { "max.message.bytes": "12000000" } },
  play: async (stage) => {
    await isShared(stage);
    const ids = Array.from({ length: 100_000 }, (_, index) => `tiny:${index}`);
    await stage.changeFromJava(ids, "none", 1);
    await stage.over();
  },
};

const compressed: Row = {
  name: "compressed-batches",
  fault:
    "Kafka's own producer sends batches compressed with gzip, snappy, lz4 and zstd; first the codec packages are missing",
  expected:
    "gzip is read; for another the worker says which package to install and ends, after 8 attempts; with it, all are read",
  stage: { workers: 1 },
  play: async (stage) => {
    const ids = (name: string): string[] => Array.from({ length: 40 }, (_, index) => `${name}:${index}`);
    await stage.changeFromJava(ids("gzip"), "gzip", 1);
    await stage.group.reached(await stage.ends(), 15_000);
    const without = stage.worker(0);
    without.mayEnd = true;
    await stage.changeFromJava(ids("lz4"), "lz4", 1);
    const { code } = await without.ended;
    expectThat(code === 1, `exit code ${code}`);
    expectThat(without.said("kafkajs-lz4"), "it does not say which package is missing");
    await stage.changeFromJava(ids("snappy"), "snappy", 1);
    await stage.changeFromJava(ids("zstd"), "zstd", 1);
    const codecs = await openScratch("codecs");
    stage.closing.push(() => codecs.release());
    await writeCodecPackages(codecs.dir);
    await (await stage.start({ NODE_PATH: codecs.dir })).ready();
    await stage.over();
  },
};

const noDeadLetters: Row = {
  name: "dead-letters-unavailable",
  fault: "the dead-letter topic is deleted, a record that cannot be read comes, and the topic is made again",
  expected: "its partition waits and says why, nothing is dropped; the others go on",
  play: async (stage) => {
    await isShared(stage);
    const topic = `${stage.topic}.dlq`;
    await stage.group.admin.deleteTopics({ topics: [topic] }).catch(() => {});
    await stage.send([{ key: null, value: "poison", partition: 0 }]);
    await until("a worker says that it waits", async () => {
      const answers = await Promise.all(stage.workers.map((worker) => worker.get("/readyz?verbose")));
      return answers.some(({ text }) => text.includes("[-]partitions"));
    });
    const others = new Map([...(await stage.ends())].filter(([partition]) => partition !== 0));
    await stage.group.reached(others, 15_000);
    await until("the topic is there again", async () => {
      await stage.group.createTopic(topic, 1);
      return true;
    });
    await stage.over();
    await stage.recovery;
    expectThat((await stage.group.deadLetters(1)).length === 1, "there is no dead letter");
    await Promise.all(stage.workers.map((worker) => worker.ready()));
  },
};

export const poisonRows: readonly Row[] = [undecodable, large, tiny, compressed, noDeadLetters];
