import type { Clock } from "@unstale/cache-core";
import type { Config } from "../../config/index.ts";
import { type ChangeProducer, createChangeProducer, deadLetterTopic } from "../../consumers/index.ts";
import { kafkaConnection } from "../connections.ts";
import { workerError } from "../errors.ts";
import type { Surroundings } from "../surroundings.ts";
import { chosenTopics, type KafkaTools, withKafka } from "./kafka-tools.ts";
import { type Letter, letterOf, parseLetterName, returned } from "./letters.ts";
import { type Bound, parseTime, rangesOf, type Stretch } from "./range.ts";
import { type CommonOptions, configOf } from "./settings.ts";

export interface LetterOptions extends CommonOptions {
  readonly topic?: string;
  readonly reason?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: number;
}

/** Prints dead letters, the oldest first. */
export async function dlqList(surroundings: Surroundings, options: LetterOptions): Promise<number> {
  const config = configOf(surroundings, options);
  const wanted = wantedOf(config, options, surroundings.clock.now());
  const { letters, more } = await withKafka(config, (tools) => collect(tools, wanted));
  if (options.json) {
    surroundings.print(`${JSON.stringify({ letters: letters.map(factsOf), more })}\n`);
    return 0;
  }
  for (const letter of letters) surroundings.print(`${lineOf(letter)}\n`);
  const count = letters.length === 1 ? "one dead letter" : `${letters.length} dead letters`;
  surroundings.print(more ? `the first ${count}; --limit shows more\n` : `${count}\n`);
  return 0;
}

/** Prints one dead letter with all that it holds. */
export async function dlqShow(surroundings: Surroundings, name: string, options: CommonOptions): Promise<number> {
  const config = configOf(surroundings, options);
  const { topic, partition, offset } = parseLetterName(name, chosenTopics(config, undefined));
  const letter = await withKafka(config, async ({ admin, reader }) => {
    const log = deadLetterTopic(topic);
    const bounds = (await existing(admin, [log])) ? await admin.bounds(log) : [];
    const held = bounds.find((one) => one.partition === partition);
    if (held === undefined || offset < held.low || offset >= held.end) return undefined;
    for await (const { records } of reader.read({ topic: log, partition, from: offset, to: offset + 1n }))
      for (const record of records) return letterOf(record, topic);
    return undefined;
  });
  if (letter === undefined) {
    throw workerError(
      "UNSTALE_NOT_FOUND",
      `There is no dead letter ${name} (any more). "unstale dlq list" names those there are.`,
    );
  }
  const { key, value, headers } = letter.record;
  const shown = { ...factsOf(letter), key: shownBytes(key), value: shownBytes(value), headers: shownHeaders(headers) };
  if (options.json) surroundings.print(`${JSON.stringify(shown)}\n`);
  else surroundings.print(`${JSON.stringify(shown, undefined, 2)}\n`);
  return 0;
}

export interface DlqReplayOptions extends LetterOptions {
  readonly apply?: true;
  /** Records for each second. */
  readonly rate: number;
}

/**
 * Sends dead letters back to where they came from: same topic, partition, key, value and headers. Those that still cannot be
 * read come back as new letters. Doing it twice costs misses at most, since invalidating is idempotent.
 */
export async function dlqReplay(surroundings: Surroundings, options: DlqReplayOptions): Promise<number> {
  const config = configOf(surroundings, options);
  const wanted = wantedOf(config, options, surroundings.clock.now());
  const { letters, more } = await withKafka(config, (tools) => collect(tools, wanted));
  const sendable = letters.filter(({ obstacle }) => obstacle === undefined);
  const kept = letters.filter(({ obstacle }) => obstacle !== undefined);
  if (options.apply && sendable.length > 0) await sendBack(sendable, { config, options, clock: surroundings.clock });
  if (options.json) {
    const facts = { applied: options.apply === true, sent: sendable.map(factsOf), kept: kept.map(factsOf), more };
    surroundings.print(`${JSON.stringify(facts)}\n`);
    return 0;
  }
  if (!options.apply) for (const letter of sendable) surroundings.print(`${lineOf(letter)}\n`);
  for (const letter of kept) surroundings.print(`${lineOf(letter)}\n  cannot be sent back: ${letter.obstacle}\n`);
  const outcome = options.apply ? "sent back" : "would be sent back; --apply does it";
  surroundings.print(`${sendable.length} ${outcome}${kept.length === 0 ? "" : `, ${kept.length} cannot be`}\n`);
  if (more) surroundings.print("there are more; --limit takes them along\n");
  return 0;
}

interface Wanted {
  readonly topics: readonly string[];
  readonly stretch: Stretch;
  readonly reason?: string | undefined;
  readonly limit: number;
}

/** Before anything is connected. @throws UnstaleError `UNSTALE_USAGE` */
function wantedOf(config: Config, options: LetterOptions, now: number): Wanted {
  const time = (option: string, text: string | undefined): Bound | undefined =>
    text === undefined ? undefined : { kind: "time", time: parseTime(option, text, now) };
  const stretch = { from: time("--since", options.since), to: time("--until", options.until) };
  return { topics: chosenTopics(config, options.topic), stretch, reason: options.reason, limit: options.limit };
}

interface Collected {
  readonly letters: readonly Letter[];
  readonly more: boolean;
}

async function collect({ admin, reader }: KafkaTools, { topics, stretch, reason, limit }: Wanted): Promise<Collected> {
  const known = await admin.listTopics();
  const letters: Letter[] = [];
  for (const topic of topics.filter((one) => known.has(deadLetterTopic(one)))) {
    for (const range of await rangesOf(admin, deadLetterTopic(topic), stretch)) {
      let found = 0;
      for await (const { records } of reader.read(range)) {
        const read = records.map((record) => letterOf(record, topic));
        const fit = read.filter((letter) => reason === undefined || letter.reason === reason);
        letters.push(...fit);
        found += fit.length;
        // The oldest of each partition, and one more than is wanted, which tells that there are more.
        if (found > limit) break;
      }
    }
  }
  letters.sort((one, other) => one.time - other.time);
  return { letters: letters.slice(0, limit), more: letters.length > limit };
}

async function sendBack(
  letters: readonly Letter[],
  { config, options, clock }: { config: Config; options: DlqReplayOptions; clock: Clock },
): Promise<void> {
  const producer: ChangeProducer = await createChangeProducer({ connection: kafkaConnection(config) });
  try {
    const began = clock.now();
    for (const [index, letter] of letters.entries()) {
      const dueMs = began + (index * 1_000) / options.rate - clock.now();
      if (dueMs > 0) await clock.sleep(dueMs);
      await producer.send(letter.origin.topic, [returned(letter)]);
    }
  } finally {
    await producer.close();
  }
}

async function existing(admin: KafkaTools["admin"], topics: readonly string[]): Promise<boolean> {
  const known = await admin.listTopics();
  return topics.every((topic) => known.has(topic));
}

function factsOf({ name, reason, detail, origin, time, obstacle }: Letter): object {
  return {
    letter: name,
    time: new Date(time).toISOString(),
    reason,
    detail,
    origin,
    ...(obstacle ? { obstacle } : {}),
  };
}

function lineOf({ name, reason, detail, origin, time }: Letter): string {
  const from = `${origin.topic}/${origin.partition}/${origin.offset}`;
  return `${new Date(time).toISOString()}  ${name}  ${reason}  from ${from}: ${detail}`;
}

function shownHeaders(headers: Letter["record"]["headers"]): object {
  return Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, values.map(shownBytes)]));
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** As text where it is some, else as base64 that says so. */
function shownBytes(bytes: Buffer | null): string | { readonly base64: string } | null {
  if (bytes === null) return null;
  try {
    return utf8.decode(bytes);
  } catch {
    return { base64: bytes.toString("base64") };
  }
}
