import { describe, expect, test } from "@jest/globals";
import { decideStart, type PartitionHistory, type StartDecision } from "../../../worker/start-position.ts";

const rows: readonly (readonly [string, PartitionHistory, StartDecision])[] = [
  [
    "a new group begins at the beginning",
    { low: 5n, end: 9n, applied: [undefined] },
    { offset: 5n, from: 5n, reason: "new", barrier: false, attach: true },
  ],
  [
    "committed and applied agree",
    { committed: 7n, low: 0n, end: 9n, applied: [7] },
    { offset: 7n, from: 7n, reason: "resumed", barrier: false, attach: false },
  ],
  [
    "applied is ahead: what was not committed may not be drained",
    { committed: 6n, low: 0n, end: 9n, applied: [8] },
    { offset: 6n, from: 6n, reason: "resumed", barrier: false, attach: false },
  ],
  [
    "I5: Valkey fell back, so that is replayed",
    { committed: 7n, low: 0n, end: 9n, applied: [4] },
    { offset: 4n, from: 4n, reason: "rolled-back", barrier: false, attach: false },
  ],
  [
    "the bucket that fell back furthest decides",
    { committed: 7n, low: 0n, end: 9n, applied: [7, 3, 9] },
    { offset: 3n, from: 3n, reason: "rolled-back", barrier: false, attach: false },
  ],
  [
    "H7: something was committed, and Valkey knows nothing of it",
    { committed: 7n, low: 0n, end: 9n, applied: [undefined] },
    { offset: 7n, from: 7n, reason: "lost", barrier: true, attach: true },
  ],
  [
    "one bucket lost its state",
    { committed: 7n, low: 8n, end: 9n, applied: [7, undefined] },
    { offset: 8n, from: 7n, reason: "lost", barrier: true, attach: true },
  ],
  [
    "committed at the very beginning, nothing applied",
    { committed: 0n, low: 0n, end: 9n, applied: [undefined] },
    { offset: 0n, from: 0n, reason: "new", barrier: false, attach: true },
  ],
  [
    "the replay reaches back to what is no longer in the log",
    { committed: 7n, low: 5n, end: 9n, applied: [4] },
    { offset: 5n, from: 4n, reason: "expired", barrier: true, attach: true },
  ],
  [
    "retention overtook the group",
    { committed: 3n, low: 5n, end: 9n, applied: [3] },
    { offset: 5n, from: 3n, reason: "expired", barrier: true, attach: true },
  ],
  [
    "what fell out of the log had been applied",
    { committed: 3n, low: 5n, end: 9n, applied: [5] },
    { offset: 5n, from: 5n, reason: "resumed", barrier: false, attach: false },
  ],
  [
    "H8: the log ends before what was applied",
    { committed: 2n, low: 0n, end: 3n, applied: [8] },
    { offset: 0n, from: 8n, reason: "recreated", barrier: true, attach: true },
  ],
  [
    "the log ends before what was committed",
    { committed: 8n, low: 0n, end: 3n, applied: [2] },
    { offset: 0n, from: 8n, reason: "recreated", barrier: true, attach: true },
  ],
  [
    "the group's offsets are gone",
    { low: 0n, end: 9n, applied: [8] },
    { offset: 0n, from: 8n, reason: "forgotten", barrier: true, attach: true },
  ],
  [
    "the group's offsets are gone, and so are events",
    { low: 6n, end: 9n, applied: [4] },
    { offset: 6n, from: 4n, reason: "forgotten", barrier: true, attach: true },
  ],
  [
    "attached before, and ended before anything was committed",
    { low: 4n, end: 9n, applied: [4] },
    { offset: 4n, from: 4n, reason: "forgotten", barrier: false, attach: true },
  ],
  [
    "the group's offsets are gone, and where it began would have been among them",
    { low: 4n, end: 9n, applied: [4], marksStart: true },
    { offset: 4n, from: 4n, reason: "forgotten", barrier: true, attach: true },
  ],
];

describe("where a partition begins", () => {
  test.each(rows)("%s", (_, history, decision) => {
    expect(decideStart(history)).toEqual(decision);
  });
});
