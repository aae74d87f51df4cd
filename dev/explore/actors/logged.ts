import type { PositionedChange } from "../../../consumers/change-source.ts";
import type { LoggedEvent } from "../step.ts";

/** An event as a source delivers it. */
export function positioned({ offset, documents, namespaces }: LoggedEvent): PositionedChange[] {
  const changes = [
    ...documents.map(({ id, version }) => documentChange(id, version)),
    ...namespaces.map((namespace) =>
      namespace === "" ? ({ kind: "all" } as const) : ({ kind: "namespace", namespace } as const),
    ),
  ];
  return changes.map((change) => ({ change, offset: BigInt(offset), occurredAt: 0 }));
}

function documentChange(id: string, version: number | undefined): PositionedChange["change"] {
  return { kind: "document", id, ...(version === undefined ? {} : { version }) };
}
