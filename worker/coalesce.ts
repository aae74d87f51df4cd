import type { DocumentChange, ScopeChange } from "@unstale/cache-core";
import type { PositionedChange } from "../consumers/change-source.ts";

/** The changes of a slice, each document and each namespace once. */
export interface Coalesced {
  readonly documents: readonly DocumentChange[];
  readonly scopes: readonly ScopeChange[];
}

/**
 * Joins changes of the same thing. Invalidating is idempotent and commutative, so their order does not matter: a document
 * keeps the highest version that any event said, a namespace the highest offset, because a scope is skipped only when the
 * *last* event that asked for it lies below what was applied.
 */
export function coalesce(changes: readonly PositionedChange[]): Coalesced {
  const documents = new Map<string, number | undefined>();
  const scopes = new Map<string | undefined, number>();
  for (const { change, offset } of changes) {
    if (change.kind === "document") {
      documents.set(change.id, higher(documents.get(change.id), change.version));
    } else {
      const namespace = change.kind === "namespace" ? change.namespace : undefined;
      scopes.set(namespace, Math.max(scopes.get(namespace) ?? 0, Number(offset)));
    }
  }
  return {
    documents: [...documents].map(([id, version]) => (version === undefined ? { id } : { id, version })),
    scopes: [...scopes].map(([namespace, offset]) => (namespace === undefined ? { offset } : { namespace, offset })),
  };
}

function higher(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.max(one, other);
}
