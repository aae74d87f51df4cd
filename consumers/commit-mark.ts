/**
 * What goes beside each committed offset, as its metadata: whose it is, and in which log it counts. An offset without its
 * log is a number: after a topic was made anew and filled again it points into the middle of changes nobody has seen.
 */
export interface CommitMark {
  /** See `KafkaSourceOptions.owner`. */
  readonly owner?: string | undefined;
  /** Absent where the broker knows no topic ids. */
  readonly topicId?: string | undefined;
}

const format = "unstale/1";
const unknown = "-";

export function formatMark({ owner, topicId }: CommitMark): string {
  return [format, owner ?? unknown, topicId ?? unknown].join(" ");
}

/** Text that is not ours says nothing; so do fields that a later version may add. */
export function parseMark(metadata: string): CommitMark {
  const [name, owner, topicId] = metadata.split(" ");
  if (name !== format) return {};
  const known = (field: string | undefined): string | undefined =>
    field === undefined || field === "" || field === unknown ? undefined : field;
  return { owner: known(owner), topicId: known(topicId) };
}
