import { describe, expect, test } from "@jest/globals";
import { createStepSize } from "../../../cache-core/step-size.ts";

const countAfter = (...times: readonly number[]): number => {
  const size = createStepSize(300);
  for (const ms of times) size.learn(ms);
  return size.count;
};

describe("the size of a step", () => {
  test("grows while replies come fast, to twice the first", () => {
    expect(countAfter()).toBe(300);
    expect(countAfter(0)).toBe(375);
    expect(countAfter(...Array<number>(20).fill(1))).toBe(600);
  });

  test("shrinks at once when one does not, to a third of the first", () => {
    expect(countAfter(4)).toBe(150);
    expect(countAfter(...Array<number>(20).fill(50))).toBe(100);
  });

  test("stays where replies are neither", () => {
    expect(countAfter(2, 3)).toBe(300);
  });

  test("is never nothing", () => {
    const size = createStepSize(1);
    size.learn(100);
    expect(size.count).toBe(1);
  });
});
