import { expect, test } from "@jest/globals";
import { entryOf } from "../../../dev/storm/contestants/index.ts";
import { planQuestions } from "../../../dev/storm/plan.ts";
import { variants } from "../../../dev/storm/variants.ts";

const all = Object.entries(variants);

test("the same seed asks the same questions, another seed others", () => {
  expect(planQuestions(7, variants.usual)).toEqual(planQuestions(7, variants.usual));
  expect(planQuestions(8, variants.usual)).not.toEqual(planQuestions(7, variants.usual));
});

test.each(all)("in %s each question has a name of its own, and documents that exist", (_, variant) => {
  const questions = planQuestions(1, variant);
  expect(new Set(questions.map(({ name }) => name)).size).toBe(questions.length);
  for (const { documents, allDocuments } of questions) {
    expect(documents.length).toBeGreaterThan(0);
    expect(allDocuments).toEqual(expect.arrayContaining([...documents]));
    for (const document of allDocuments) expect(Number(document.split(":")[1])).toBeLessThan(variant.documents);
  }
});

test("a composed question names the documents of its parts too, and its parts inherit", () => {
  const questions = planQuestions(1, variants.composed);
  const composed = questions.filter(({ parts }) => parts.length > 0);
  expect(composed.length).toBeGreaterThan(questions.length / 2);
  for (const { parts, allDocuments } of composed) {
    for (const name of parts) {
      const part = questions.find((question) => question.name === name);
      expect(part?.through).toBe("getOrSet");
      expect(allDocuments).toEqual(expect.arrayContaining([...(part?.documents ?? [])]));
    }
  }
});

test("a namespace stands at the beginning of the name, where the judge looks for it", () => {
  for (const { name, namespace } of planQuestions(1, variants.wipes)) {
    expect(name.includes("/") ? name.split("/")[0] : undefined).toBe(namespace);
  }
});

test.each(all)("in %s we take part", (_, variant) => {
  expect(variant.contestants.map((name) => entryOf(name).title)).toContain("unstale");
});
