/** Makes document ids from an event's `type` and `id`, as `{type}:{id}` says. */
export interface IdTemplate {
  readonly needsType: boolean;
  apply(parts: { readonly id: string; readonly type?: string | undefined }): string;
}

export type ParsedTemplate =
  | { readonly ok: true; readonly template: IdTemplate }
  | { readonly ok: false; readonly problem: string };

const identity: IdTemplate = { needsType: false, apply: ({ id }) => id };

export function parseIdTemplate(text: string | undefined): ParsedTemplate {
  if (text === undefined) return { ok: true, template: identity };
  const problem = problemOf(text);
  if (problem !== undefined) return { ok: false, problem };
  const needsType = text.includes("{type}");
  return {
    ok: true,
    template: {
      needsType,
      // One pass with a function: a `$&` or `{id}` inside a value is text, not a pattern.
      apply: ({ id, type }) => text.replace(/\{(id|type)\}/g, (_, name) => (name === "id" ? id : (type ?? ""))),
    },
  };
}

function problemOf(text: string): string | undefined {
  if (!text.includes("{id}")) return 'has no "{id}"';
  if (text.startsWith(" ")) return "starts with a space";
  if (!text.isWellFormed()) return "is not well-formed Unicode";
  const unknown = text.replace(/\{(id|type)\}/g, "").match(/[{}][^{}]*\}?/)?.[0];
  return unknown === undefined ? undefined : `has ${JSON.stringify(unknown)}; known are {id} and {type}`;
}
