import { describe, expect, test } from "@jest/globals";
import { Engine } from "../../../dev/explore/engine.ts";
import { memoryMachine } from "../../../dev/explore/machine.ts";
import { programMutants } from "../../../dev/explore/mutants/index.ts";
import { replay, searchAll, searchShortest } from "../../../dev/explore/search.ts";
import { unknownTo } from "../../../dev/explore/truth.ts";
import { shorten, walk } from "../../../dev/explore/walk.ts";
import { smallWorlds } from "../../../dev/explore/worlds/index.ts";
import { randomOf } from "../../../dev/random.ts";

const engineOf = (world: (typeof smallWorlds)[number] | undefined): Engine => {
  if (!world) throw new Error("There is no such world.");
  return new Engine(world, memoryMachine(world.machine));
};
const naive = programMutants[0]?.world;
const zombie = smallWorlds.find(({ name }) => name === "zombie");

describe("the explorer", () => {
  test("convicts the naive algorithm, with a trace that can be played again", async () => {
    const { failure } = await searchShortest(engineOf(naive));
    const again = await replay(engineOf(naive), failure?.trace ?? []);
    expect(again?.violation.message).toBe(failure?.violation.message);
    expect(again?.trace).toEqual(failure?.trace);
  });

  test("shortens a long trace to one that breaks the same promise", async () => {
    const { failure } = await searchShortest(engineOf(naive));
    const random = randomOf(3);
    const engine = engineOf(naive);
    let long = await walk(engine, random);
    for (let walks = 0; !long && walks < 200; walks += 1) long = await walk(engine, random);
    if (!long) throw new Error("No walk met the failure.");
    const short = await shorten(engine, long);
    expect(short.violation.promise).toBe(long.violation.promise);
    expect(short.trace.length).toBeLessThanOrEqual(long.trace.length);
    expect(failure).toBeDefined();
  });

  test("meets the same states and interleavings in every run", async () => {
    const [one, other] = [await searchAll(engineOf(zombie)), await searchAll(engineOf(zombie))];
    expect(other).toEqual(one);
    expect(one).toMatchObject({ complete: true, states: 249, interleavings: 33_172 });
  });

  test("does not call complete what a limit cut off", async () => {
    expect(await searchAll(engineOf(zombie), { states: 20 })).toMatchObject({ complete: false, interleavings: 0 });
  });
});

test("content does not know of a change when it is older than the change in any name that it has", () => {
  const changes = [{ requires: { A: 2 } }, { requires: { B: 2 } }, { requires: { "@docs": 2, A: 3 } }];
  expect(unknownTo({ A: 1 }, changes)).toBe(0b101);
  expect(unknownTo({ A: 3, B: 1 }, changes)).toBe(0b010);
  expect(unknownTo({ C: 1 }, changes)).toBe(0);
});
