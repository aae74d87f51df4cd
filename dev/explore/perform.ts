import { levelsOf } from "@unstale/cache-core";
import { fieldOf, type Image, lists, textOf } from "./image.ts";
import type { Machine } from "./machine.ts";
import { judgeStoreStep } from "./oracle.ts";
import type {
  AcknowledgeStep,
  Fetched,
  FetchStep,
  History,
  PublishStep,
  RawStep,
  Reply,
  SourceStep,
  Step,
  StoreStep,
} from "./step.ts";
import { type Log, promised, type Truth, unknownTo } from "./truth.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

export interface Performed {
  readonly reply: Reply;
  readonly truth: Truth;
}

interface Moment {
  readonly truth: Truth;
  readonly image: Image;
}

/** Nonces lie between 2^51 and 2^52; a script may use some numbers below the one it is given. */
const firstNonce = 2 ** 51 + 10_000;
const nonceStep = 64;

/** Does one step, and judges what came of it. */
export async function perform(
  world: World,
  machine: Machine,
  { truth, image }: Moment,
  step: Step,
): Promise<Performed> {
  switch (step.do) {
    case "store":
      return performStore(machine, truth, step);
    case "raw":
      return performRaw(world, machine, { truth, image }, step);
    case "source":
      return { reply: look(truth, step), truth };
    case "publish":
      return {
        reply: { change: truth.changes.length, offset: endOf(truth, step.partition) },
        truth: publish(truth, step),
      };
    case "fetch":
      return { reply: fetched(truth, step), truth };
    case "history":
      return { reply: historyOf(truth.logs[step.partition] ?? noLog), truth };
    case "acknowledge":
      return { reply: {}, truth: acknowledge(truth, step) };
    case "replicated":
      return { reply: {}, truth: { ...truth, unaccounted: false } };
    case "ask":
      return { reply: { promised: promised(truth, 0) }, truth };
    case "serve": {
      const due = (step.promised & promised(truth, 0)) | (step.demanded ?? 0);
      const unknown = unknownTo(step.content, truth.changes) & due;
      if (unknown !== 0) throw new Violation("I9", `a caller is given ${JSON.stringify(step.content)}`);
      return { reply: {}, truth };
    }
    case "either":
    case "become":
      throw new Error(`"${step.do}" is no step of its own.`);
  }
}

export function prepare(machine: Machine, truth: Truth): void {
  machine.world.now = truth.now;
  machine.world.replicationId = truth.replicationId;
  machine.world.nonce = firstNonce + truth.nonces * nonceStep;
  machine.world.nonceTaken = false;
}

async function performStore(machine: Machine, truth: Truth, step: StoreStep): Promise<Performed> {
  prepare(machine, truth);
  const { store } = machine;
  const run = store[step.method] as (request: StoreStep["request"]) => Promise<Reply>;
  const reply = await run(step.request).catch((error: unknown) => {
    throw new Violation("reply", `${step.method} fails: ${error instanceof Error ? error.message : String(error)}`);
  });
  return { reply, truth: judgeStoreStep(machine, truth, step, reply) };
}

/** Whether the nonce that was given out is in use now, so that it must not be given out again. */
export function nonceUsed(machine: Machine, image: Image): boolean {
  const { nonce } = machine.world;
  const used = (value: number): boolean => value > nonce - nonceStep && value <= nonce;
  for (const [key, { value }] of image.slots) {
    if (value.type === "zset" && used(value.scores.get(" birth") ?? 0)) return true;
    if (value.type === "string" && key.startsWith("cache:version") && used(Number(textOf(image, key)))) return true;
  }
  return false;
}

async function performRaw(world: World, machine: Machine, moment: Moment, { command }: RawStep): Promise<Performed> {
  const { truth } = moment;
  prepare(machine, truth);
  const reply = await machine.raw(command);
  return { reply: reply ?? null, truth: world.unexcused ? truth : foreignWrite(machine, moment, command) };
}

/**
 * What a foreign write may excuse: changes of before it, in that key. A foreign HSET counts from then on only where the key
 * is listed already, or where a lease is in it that will vouch for it; else the foreign SADD that follows counts.
 */
function foreignWrite({ keys }: Machine, { truth, image }: Moment, command: RawStep["command"]): Truth {
  const { lineage, changes } = truth;
  const barriered = lineage.barriered.reduce((all, mask) => all | mask, 0);
  const isSetOf = (set: string, name: string): boolean =>
    keys.layout.dependencyPrefixes.some((prefix) => set === prefix + name);
  const excuse = (excuses: Readonly<Record<string, number>>): Truth => {
    const tainted = { ...lineage.tainted };
    for (const key in excuses) tainted[key] = (tainted[key] ?? 0) | (excuses[key] ?? 0);
    return { ...truth, lineage: { ...lineage, tainted } };
  };
  switch (command.name) {
    case "HSET": {
      const isSealed = fieldOf(image, command.key, "lease") !== undefined;
      const isListed = (name: string): boolean =>
        keys.layout.dependencyPrefixes.some((prefix) => lists(image, prefix + name, command.key));
      const about = (name: string): boolean => isSealed || name.startsWith("@") || isListed(name);
      return excuse({ [command.key]: barriered & touching(changes, about) });
    }
    case "SADD": {
      const mask = barriered & touching(changes, (name) => isSetOf(command.key, name));
      return excuse({ [command.key]: 0, ...(command.member in lineage.tainted ? { [command.member]: mask } : {}) });
    }
    case "SET":
      return { ...excuse({ [command.key]: 0 }), disturbed: true };
    case "DEL":
    case "FLUSHDB":
      return { ...truth, disturbed: true };
    default:
      return truth;
  }
}

function touching(changes: Truth["changes"], about: (name: string) => boolean): number {
  return changes.reduce(
    (mask, { requires }, index) => (Object.keys(requires).some(about) ? mask | (1 << index) : mask),
    0,
  );
}

/** Generations of the namespaces that the answer is in are seen with every look at the source. */
function look({ documents }: Truth, { document, namespace, lagging }: SourceStep): Record<string, number> {
  const scopes = ["", ...levelsOf(namespace)].map((level) => `@${level}`);
  const seen = Object.fromEntries(scopes.map((name) => [name, documents[name] ?? 1]));
  seen[document] = Math.max(0, (documents[document] ?? 0) - (lagging ? 1 : 0));
  return seen;
}

function publish(truth: Truth, { partition, documents = [], namespaces = [], silent }: PublishStep): Truth {
  const requires: Record<string, number> = {};
  for (const name of [...documents, ...namespaces.map((namespace) => `@${namespace}`)]) {
    requires[name] = (truth.documents[name] ?? 0) + 1;
  }
  const changed = { ...truth, documents: { ...truth.documents, ...requires } };
  const log = truth.logs[partition];
  if (silent || !log) return { ...changed, changes: [...truth.changes, { requires }] };
  const offset = endOf(truth, partition);
  return {
    ...changed,
    changes: [...truth.changes, { partition, offset, at: truth.now, requires }],
    logs: { ...truth.logs, [partition]: { ...log, events: [...log.events, truth.changes.length] } },
  };
}

/** The offset that the next record gets. */
function endOf({ logs }: Truth, partition: string): number {
  const { low, events } = logs[partition] ?? noLog;
  return low + events.length;
}

export function canFetch({ logs }: Truth, { partition, from, epoch }: FetchStep): boolean {
  const log = logs[partition];
  return log !== undefined && (log.epoch !== epoch || from !== log.low + log.events.length);
}

function fetched({ logs, changes }: Truth, { partition, from, most, epoch }: FetchStep): Fetched {
  const log = logs[partition] ?? noLog;
  const end = log.low + log.events.length;
  if (log.epoch !== epoch || from < log.low || from > end) return { events: [], outOfRange: historyOf(log) };
  const numbers = log.events.slice(from - log.low, from - log.low + most);
  return {
    events: numbers.map((change, index) => {
      const requires = Object.entries(changes[change]?.requires ?? {});
      return {
        offset: from + index,
        change,
        documents: requires.filter(([name]) => !name.startsWith("@")).map(([id, version]) => ({ id, version })),
        namespaces: requires.filter(([name]) => name.startsWith("@")).map(([name]) => name.slice(1)),
      };
    }),
  };
}

const noLog: Log = { epoch: 0, low: 0, events: [] };

function historyOf({ epoch, low, events, committed }: Log): History {
  return { epoch, low, end: low + events.length, ...(committed === undefined ? {} : { committed }) };
}

function acknowledge(truth: Truth, { partition, offset, epoch, covers = 0 }: AcknowledgeStep): Truth {
  const log = partition === undefined ? undefined : truth.logs[partition];
  if (!log || partition === undefined || offset === undefined) {
    return { ...truth, acknowledged: truth.acknowledged | covers };
  }
  if (epoch !== undefined && epoch !== log.epoch) return truth;
  let mask = covers;
  log.events.forEach((change, index) => {
    if (log.low + index < offset) mask |= 1 << change;
  });
  return {
    ...truth,
    acknowledged: truth.acknowledged | mask,
    logs: { ...truth.logs, [partition]: { ...log, committed: offset } },
  };
}
