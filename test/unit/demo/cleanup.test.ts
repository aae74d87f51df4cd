import { expect, test } from "@jest/globals";
import { createCleanup } from "../../../dev/demo/cleanup.ts";

test("closes in the opposite order, once, and goes on after a failure", async () => {
  const closed: string[] = [];
  const failed: string[] = [];
  const cleanup = createCleanup({ onError: (name) => void failed.push(name) });
  cleanup.add("first", () => closed.push("first"));
  cleanup.add("broken", () => Promise.reject(new Error("no")));
  cleanup.add("last", async () => closed.push("last"));
  await Promise.all([cleanup.run(), cleanup.run()]);
  expect([closed, failed]).toEqual([["last", "first"], ["broken"]]);
});

test("closes at once what was opened while everything was being closed", async () => {
  const closed: string[] = [];
  const cleanup = createCleanup({ onError: () => {} });
  cleanup.add("slow", async () => {
    cleanup.add("late", () => closed.push("late"));
  });
  await cleanup.run();
  cleanup.add("later", () => closed.push("later"));
  await cleanup.run();
  expect(closed).toEqual(["late", "later"]);
});
