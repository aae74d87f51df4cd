import { expect, test } from "@jest/globals";
import { climb, Declined, type Rung } from "../../../dev/services/ladder.ts";

const declines = (why: string): Rung<{ chosen: string }> => ({ name: "nothing", take: async () => new Declined(why) });
const yields = (chosen: string): Rung<{ chosen: string }> => ({ name: "something", take: async () => ({ chosen }) });

test("takes the first rung that holds, and one line says which and why", async () => {
  const lines: string[] = [];
  const progress = (line: string) => lines.push(line);
  const rungs = [declines("A is not set"), yields("a local one"), yields("another one")];
  await expect(climb({ service: "Valkey", rungs, progress, advice: "" })).resolves.toEqual({ chosen: "a local one" });
  expect(lines).toEqual(["a local one (A is not set)"]);
});

test("without any says what each rung lacks and what to do", async () => {
  const rungs = [declines("A is not set"), declines("no java in PATH")];
  const fall = climb({ service: "Kafka", rungs, progress: () => {}, advice: "Set A." });
  await expect(fall).rejects.toThrow(
    "Kafka is needed, and none was found or could be started:\n  - nothing: A is not set\n  - nothing: no java in PATH\nSet A.",
  );
});

test("does not go on past a mistake", async () => {
  const mistaken: Rung<{ chosen: string }> = {
    name: "environment",
    take: () => Promise.reject(new Error("wrong port")),
  };
  const fall = climb({ service: "Kafka", rungs: [mistaken, yields("a local one")], progress: () => {}, advice: "" });
  await expect(fall).rejects.toThrow("wrong port");
});
