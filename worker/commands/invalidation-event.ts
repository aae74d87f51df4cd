import type { TopicSetting } from "../../config/index.ts";
import { workerError } from "../errors.ts";

/** What a command line asks to be invalidated. */
export interface Request {
  readonly documents: readonly string[];
  readonly namespaces: readonly string[];
  readonly all: boolean;
}

export interface RequestedEvent {
  readonly key: string | null;
  readonly value: string;
}

/** As many documents as one event should carry. */
const documentsPerEvent = 500;

/**
 * The topic to produce to: the one that was named, else the first that may carry the request.
 * @throws UnstaleError `UNSTALE_USAGE` for a topic that is not configured, `UNSTALE_NOT_WIDE`
 */
export function chooseTopic(
  topics: readonly TopicSetting[],
  { namespaces, all }: Request,
  named: string | undefined,
): TopicSetting {
  const needsWide = all || namespaces.length > 0;
  const names = topics.map(({ name }) => name).join(", ");
  const candidates = named === undefined ? topics : topics.filter(({ name }) => name === named);
  if (candidates.length === 0) {
    throw workerError(
      "UNSTALE_USAGE",
      `--topic: expected one of the configured topics (${names}), got ${JSON.stringify(named)}.`,
    );
  }
  const fit = candidates.find(({ wide }) => wide || !needsWide);
  if (fit) return fit;
  throw workerError(
    "UNSTALE_NOT_WIDE",
    `--namespace and --all need a topic that is wide; ${named ?? `none of ${names}`} is ${named === undefined ? "" : "not "}so. ` +
      'Say "wide: true" for a topic in unstale.yaml (workers and this command), or use --direct to write to Valkey.',
  );
}

/**
 * The events of a request. Documents go as the topic's id template would read them.
 * @throws UnstaleError `UNSTALE_USAGE` for a document that no event on this topic can name
 */
export function eventsOf(request: Request, topic: TopicSetting, occurredAt: string): readonly RequestedEvent[] {
  const ids = request.documents.map((document) => ({ document, item: itemOf(document, topic) }));
  const events: RequestedEvent[] = [];
  for (let from = 0; from < ids.length; from += documentsPerEvent) {
    const some = ids.slice(from, from + documentsPerEvent);
    const value = JSON.stringify({ ids: some.map(({ item }) => item), occurredAt });
    // The key of a single document, as its own producer would use it.
    events.push({ key: ids.length === 1 ? (some[0]?.document ?? null) : null, value });
  }
  for (const namespace of request.namespaces)
    events.push({ key: null, value: JSON.stringify({ namespace, occurredAt }) });
  if (request.all) events.push({ key: null, value: JSON.stringify({ all: true, occurredAt }) });
  return events;
}

function itemOf(
  document: string,
  { name, id: template }: TopicSetting,
): string | { readonly id: string; readonly type?: string } {
  if (template === undefined) return document;
  const escaped = template.split(/(\{type\}|\{id\})/).map((part) => {
    if (part === "{type}") return "(?<type>.+?)";
    return part === "{id}" ? "(?<id>.+)" : part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  });
  const pattern = onlyFirst(escaped);
  const groups = new RegExp(`^${pattern}$`, "su").exec(document)?.groups;
  if (groups?.id !== undefined) return { id: groups.id, ...(groups.type === undefined ? {} : { type: groups.type }) };
  throw workerError(
    "UNSTALE_USAGE",
    `No event on ${name} can name ${JSON.stringify(document)}: its document ids are built as ${JSON.stringify(template)}. ` +
      "Name another topic with --topic, or use --direct.",
  );
}

/** A field that stands twice in a template must be the same text both times. */
function onlyFirst(parts: readonly string[]): string {
  const seen = new Set<string>();
  return parts
    .map((part) => {
      const group = /^\(\?<(type|id)>/.exec(part)?.[1];
      if (group === undefined) return part;
      if (seen.has(group)) return `\\k<${group}>`;
      seen.add(group);
      return part;
    })
    .join("");
}
