import { maxDocumentsPerCall } from "./store.ts";

/** How many documents go in one call: as many as will probably have about {@link aimedAt} entries in all. */
export interface CallSize {
  /** Documents for the next call. */
  readonly documents: number;
  /** What a call met: documents, those of them whose sets were taken away whole, and entries deleted of the others. */
  learn(call: { readonly documents: number; readonly drains: number; readonly deleted: number }): void;
}

/**
 * A call may delete 1,000 entries at once (`callBudget`); beyond that, sets are taken away and drained one by one, which
 * costs a step for each. A little below it, documents that have more entries than usual still find room.
 */
const aimedAt = 800;
const least = 10;
/** Believed before anything is known: so many documents with so many entries in all. */
const believed = { documents: 50, entries: 400 };

export function createCallSize(): CallSize {
  let { documents, entries } = believed;
  return {
    get documents() {
      return Math.max(least, Math.min(maxDocumentsPerCall, Math.floor((aimedAt * documents) / Math.max(1, entries))));
    },
    learn: (call) => {
      const met = call.documents - call.drains;
      if (met <= 0) return;
      // A call as large as they become halves what the calls before it said.
      const kept = 1 - Math.min(1, Math.max(met / 100, call.deleted / aimedAt)) / 2;
      documents = documents * kept + met;
      entries = entries * kept + call.deleted;
    },
  };
}
