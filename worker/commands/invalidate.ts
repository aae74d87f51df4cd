import {
  type CacheStore,
  type Clock,
  createInvalidator,
  documentIdProblem,
  namespaceProblem,
} from "@unstale/cache-core";
import type { Config } from "../../config/index.ts";
import { type ChangeProducer, createChangeProducer, type PartitionOffset } from "../../consumers/index.ts";
import { kafkaConnection, openStore } from "../connections.ts";
import { createDeployment } from "../deployment.ts";
import { workerError } from "../errors.ts";
import { layoutOf } from "../layout.ts";
import type { Surroundings } from "../surroundings.ts";
import { awaitApplied } from "./await-applied.ts";
import { chooseTopic, eventsOf, type Request } from "./invalidation-event.ts";
import { type CommonOptions, configOf } from "./settings.ts";

export interface InvalidateOptions extends CommonOptions {
  readonly namespace: readonly string[];
  readonly all?: true;
  readonly direct?: true;
  readonly topic?: string;
  /** Seconds. */
  readonly timeout: number;
}

/** By an event that the workers apply, or directly. Resolves to the exit code when nothing asked for is served any more. */
export async function invalidate(
  surroundings: Surroundings,
  documents: readonly string[],
  options: InvalidateOptions,
): Promise<number> {
  const request = checked({
    documents: [...new Set(documents)],
    namespaces: options.namespace,
    all: options.all === true,
  });
  const config = configOf(surroundings, options);
  if (config.embedded) {
    throw workerError(
      "UNSTALE_USAGE",
      "An embedded worker takes events by HTTP: POST them to the address that it logs.",
    );
  }
  const { store } = openStore(config);
  try {
    const outcome = options.direct
      ? await invalidateDirectly(store, config, request)
      : await invalidateByEvent({ store, config, request, options, clock: surroundings.clock });
    const { summary, ...facts } = outcome;
    surroundings.print(options.json ? `${JSON.stringify(facts)}\n` : `${summary}\n`);
    return 0;
  } finally {
    await store.close();
  }
}

function checked(request: Request): Request {
  const { documents, namespaces, all } = request;
  if (documents.length === 0 && namespaces.length === 0 && !all) {
    throw workerError("UNSTALE_USAGE", "Nothing to invalidate: name documents, or give --namespace or --all.");
  }
  for (const id of documents) refuse("document id", id, documentIdProblem(id));
  for (const namespace of namespaces) refuse("--namespace", namespace, namespaceProblem(namespace));
  return request;
}

function refuse(what: string, text: string, problem: string | undefined): void {
  if (problem === undefined) return;
  throw workerError("UNSTALE_USAGE", `${what} ${JSON.stringify(text.slice(0, 80))} cannot be used: ${problem}.`);
}

async function invalidateDirectly(store: CacheStore, config: Config, request: Request): Promise<Outcome> {
  await createDeployment(store, config).agree();
  const invalidator = createInvalidator({ store, buckets: layoutOf(config).layout.buckets });
  const reply = await invalidator.invalidate({
    documents: request.documents.map((id) => ({ id })),
    scopes: [...request.namespaces.map((namespace) => ({ namespace })), ...(request.all ? [{}] : [])],
  });
  const { deleted } = await (reply.kind === "applied" ? reply.settled : { deleted: 0 });
  const entries = (reply.kind === "applied" ? reply.deleted : 0) + deleted;
  return { mode: "direct", deleted: entries, summary: `invalidated ${nameOf(request)}; ${entries} entries deleted` };
}

interface ByEvent {
  readonly store: CacheStore;
  readonly config: Config;
  readonly request: Request;
  readonly options: Pick<InvalidateOptions, "topic" | "timeout">;
  readonly clock: Clock;
}

async function invalidateByEvent({ store, config, request, options, clock }: ByEvent): Promise<Outcome> {
  const topic = chooseTopic(config.kafkaTopics, request, options.topic);
  const events = eventsOf(request, topic, new Date(clock.now()).toISOString());
  const began = clock.now();
  const producer = await createChangeProducer({ connection: kafkaConnection(config) });
  const sent = await sendAll(producer, topic.name, events);
  const timeoutMs = options.timeout * 1_000;
  await awaitApplied({ store, buckets: layoutOf(config).layout.buckets, sent, timeoutMs, clock });
  const ms = clock.now() - began;
  const where = sent.map(({ topic: name, partition, offset }) => `${name}/${partition} offset ${offset}`).join(", ");
  const offsets = sent.map(({ offset, ...partition }) => ({ ...partition, offset: Number(offset) }));
  return {
    mode: "event",
    ms,
    offsets,
    summary: `invalidated ${nameOf(request)}; applied by the workers after ${ms} ms (${where})`,
  };
}

/** The last offset of each partition that was written to. */
async function sendAll(
  producer: ChangeProducer,
  topic: string,
  events: ReturnType<typeof eventsOf>,
): Promise<readonly PartitionOffset[]> {
  try {
    const last = new Map<number, PartitionOffset>();
    for (const event of events) {
      for (const sent of await producer.send(topic, [event])) last.set(sent.partition, sent);
    }
    return [...last.values()];
  } finally {
    await producer.close();
  }
}

interface Outcome {
  readonly mode: "direct" | "event";
  readonly summary: string;
  readonly [fact: string]: unknown;
}

function nameOf({ documents, namespaces, all }: Request): string {
  const parts = [
    ...(documents.length === 0 ? [] : [documents.length === 1 ? `${documents[0]}` : `${documents.length} documents`]),
    ...namespaces.map((namespace) => `namespace ${namespace}`),
    ...(all ? ["everything"] : []),
  ];
  return parts.join(" and ");
}
