import { randomBytes } from "node:crypto";
import { type PageChange, watchFolder } from "./watch-folder.ts";

/** A Kafka record, as text. */
export interface ChangeRecord {
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Published {
  readonly change: PageChange;
  readonly record: ChangeRecord;
  /** Milliseconds since the epoch: sent, and acknowledged by the broker. */
  readonly sentAt: number;
  readonly acknowledgedAt: number;
  /** Where the record is in the log. */
  readonly position: LogPosition;
}

export interface LogPosition {
  readonly partition: number;
  readonly offset: bigint;
}

export interface PublisherOptions {
  readonly folder: string;
  readonly send: (record: ChangeRecord) => Promise<LogPosition>;
  readonly onPublished?: (published: Published) => void;
  readonly onError?: (error: unknown) => void;
  readonly quietMs?: number;
  readonly retryMs?: number;
}

/** Turns saved, created and deleted pages into change events. What the folder holds at the start is not published. */
export function startPublisher(options: PublisherOptions): Promise<{ close(): Promise<void> }> {
  const { folder, send, onPublished = () => {}, onError = console.error, quietMs, retryMs } = options;
  let version = 0;

  async function publish(change: PageChange): Promise<void> {
    // Files have no version of their own; this one only has to grow.
    version = Math.max(Date.now(), version + 1);
    const record = changeRecord({ change, version });
    const sentAt = performance.timeOrigin + performance.now();
    const position = await send(record);
    const acknowledgedAt = performance.timeOrigin + performance.now();
    onPublished({ change, record, sentAt, acknowledgedAt, position });
  }

  return watchFolder({
    folder,
    onError,
    onChanges: async (changes) => {
      for (const change of changes) await publish(change);
    },
    ...(quietMs !== undefined && { quietMs }),
    ...(retryMs !== undefined && { retryMs }),
  });
}

export function changeRecord({
  change: { id, op, changedAt },
  version,
}: {
  readonly change: PageChange;
  readonly version: number;
}): ChangeRecord {
  const occurredAt = new Date(changedAt).toISOString();
  // A page that appears or disappears changes what is to be found, so it changes the list of pages too.
  const what = op === "update" ? { id, version } : { op, ids: [{ id, version }, "list:pages"] };
  return {
    // Keyed by id: changes of one page keep their order.
    key: id,
    value: JSON.stringify({ ...what, occurredAt }),
    headers: { traceparent: `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-01` },
  };
}
