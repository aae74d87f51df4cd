import { expect, test } from "@jest/globals";
import { lagCheck, letterCheck, replicaCheck } from "../../../worker/doctor/log-checks.ts";

test.each([
  [{ records: 0, seconds: 0 }, "ok"],
  [{ records: 9, seconds: 59 }, "ok"],
  [{ records: 9, seconds: 60 }, "warn"],
  [{ records: 9, seconds: 60, retentionMs: 7_200_000 }, "warn"],
  [{ records: 9, seconds: 3_600, retentionMs: 7_200_000 }, "warn"],
  [{ records: 9, seconds: 7_200, retentionMs: 7_200_000 }, "fail"],
] as const)("a lag of %j is %s", (behind, status) => {
  expect(lagCheck("t", behind).status).toBe(status);
});

test("a lag says what to do before events are lost", () => {
  const { message, todo } = lagCheck("t", { records: 9, seconds: 5_400, retentionMs: 7_200_000 });
  expect(message).toBe(
    "9 records not committed, the oldest 90 m old; the log keeps 2 h: soon events are lost before they are seen",
  );
  expect(todo).toContain("retention.ms");
});

test.each([
  [1, 1, "ok"],
  [1, 3, "warn"],
  [3, 3, "ok"],
] as const)("%d replicas on %d brokers: %s", (replicas, brokers, status) => {
  expect(replicaCheck("t", replicas, brokers).status).toBe(status);
});

test("dead letters that wait are counted, and the command that shows them is named", async () => {
  const admin = (end: bigint) => ({ bounds: async () => [{ partition: 0, low: 2n, end }] });
  expect((await letterCheck("t", admin(2n))).status).toBe("ok");
  expect(await letterCheck("t", admin(5n))).toMatchObject({
    ...{ status: "warn", message: "3 dead letters: records that could not be read" },
    todo: 'See why with "unstale dlq list --topic t".',
  });
});
