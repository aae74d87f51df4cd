import { randomBytes } from "node:crypto";
import type { CacheStore, OpenReply, Snapshot } from "@unstale/cache-core";

export interface TrialStep {
  readonly step: string;
  /** What was not as it should be. */
  readonly problem?: string;
}

/** Always the same, so that a doctor who comes every day leaves no more behind than one who came once. */
const document = "unstale.doctor";
const topic = "unstale.doctor";
const scope = { bucket: 0 } as const;

/**
 * Runs each step of the protocol once on keys of its own: writes an entry, reads it, invalidates its source, and sees it
 * gone. Leaves one fence and one offset behind.
 */
export async function trialOfScripts(store: CacheStore): Promise<readonly TrialStep[]> {
  const query = `unstale doctor ${randomBytes(8).toString("hex")}`;
  const steps: TrialStep[] = [];
  const note = (step: string, expected: boolean, got: string): void => {
    steps.push(expected ? { step } : { step, problem: `unexpected answer "${got}"` });
  };

  const opened = await store.open(scope);
  note("open", opened.kind === "open", opened.kind);
  if (opened.kind !== "open") return steps;
  const lease = await anotherLook(store, query, opened.snapshot, note);

  const lock = { ...scope, query, token: query, ttlMs: 10_000 };
  const acquired = await store.acquireFill(lock);
  await store.releaseFill(lock);
  note("fill-lock", acquired.kind === "held", acquired.kind);

  const entry = { ...scope, query, response: "", sources: [document], ttlMs: 10_000, lease };
  const committed = await store.commit(entry);
  note("commit", committed.kind === "written", committed.kind);
  const hit = await store.read({ ...scope, query, versions: lease.versions });
  note("read", hit.kind === "hit", hit.kind);

  const attached = await store.attach({ bucket: 0, topic, partition: 0, offset: 0 });
  note("attach", attached.kind === "attached", attached.kind);
  const position = { topic, partition: 0, previous: 0, next: 0 };
  const invalidated = await store.invalidate({ bucket: 0, documents: [{ id: document }], scopes: [], position });
  note("invalidate", invalidated.kind === "applied", invalidated.kind);
  const gone = await store.read({ ...scope, query, versions: lease.versions });
  note("read after invalidate", gone.kind === "miss", gone.kind);

  const drain = { bucket: 0, document, token: "0.0:0:0" };
  const drained = await store.drain({ drain, cursor: "0", count: 10 });
  note("drain", drained.kind === "finished", drained.kind);
  const alive = await store.heartbeat({ bucket: 0, partitions: [{ topic, partition: 0 }] });
  note("heartbeat", alive.kind === "alive" && alive.applied[0] === 0, alive.kind);
  return steps;
}

/** A miss gives a lease, as it gives every producer one. */
async function anotherLook(
  store: CacheStore,
  query: string,
  opened: Extract<OpenReply, { kind: "open" }>["snapshot"],
  note: (step: string, expected: boolean, got: string) => void,
): Promise<Snapshot> {
  const miss = await store.read({ ...scope, query, versions: opened.versions });
  note("read of nothing", miss.kind === "miss", miss.kind);
  return miss.kind === "miss" ? miss.snapshot : opened;
}
