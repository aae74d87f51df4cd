import { describe, expect, test } from "@jest/globals";
import { checkSourceVersions, decodeResponse, encodeResponse, normaliseSources } from "../../../cache-core/entry.ts";

describe("a response", () => {
  test("that is text is stored verbatim, without a codec", () => {
    expect(encodeResponse('{"a":1} häß 🚀')).toEqual({ text: '{"a":1} häß 🚀', bytes: 18 });
    expect(encodeResponse("")).toEqual({ text: "", bytes: 0 });
    expect(decodeResponse("text", undefined)).toEqual({ value: "text" });
  });

  test.each([[{ a: [1, null] }], [[1, 2]], [42], [true], [null], [new Date(0).toISOString()]])(
    "%j survives",
    (value) => {
      const { text, codec } = encodeResponse(value);
      expect(decodeResponse(text, codec)).toEqual({ value });
    },
  );

  test("with half a surrogate pair, which has no UTF-8 form, is stored as JSON", () => {
    const { text, codec } = encodeResponse("a\ud800");
    expect(text.isWellFormed()).toBe(true);
    expect(decodeResponse(text, codec)).toEqual({ value: "a\ud800" });
  });

  const circular: Record<string, unknown> = {};
  circular.self = circular;
  test.each<[string, unknown]>([
    ["undefined", undefined],
    ["a function", () => 1],
    ["a symbol", Symbol("x")],
    ["a BigInt", 1n],
    ["a nested BigInt", { a: 1n }],
    ["a circle", circular],
    ["NaN", Number.NaN],
    ["Infinity", Number.POSITIVE_INFINITY],
  ])("that is %s is an error without a stack of the engine in it", (_, value) => {
    expect(() => encodeResponse(value)).toThrow(
      expect.objectContaining({
        code: "UNSTALE_INVALID_ARGUMENT",
        message: expect.stringMatching(/^response: expected text or a value that JSON can say; got [^\n]+$/),
      }),
    );
  });

  test("of an unknown codec, or damaged, is not understood", () => {
    expect(decodeResponse("x", "msgpack")).toBeUndefined();
    expect(decodeResponse('{"a":', "json")).toBeUndefined();
  });
});

describe("sources", () => {
  test("are each kept once, in the order of first mention", () => {
    expect(normaliseSources(["b", "a", "b"])).toEqual(["b", "a"]);
    expect(normaliseSources("article:42")).toEqual(["article:42"]);
  });

  test.each(["article:{42}", "a:b:c", "*", "ünï-🚀", "\u0000\u0001", "[x]?", "__proto__", "a b"])(
    "may be called %j",
    (id) => {
      expect(normaliseSources([id])).toEqual([id]);
    },
  );

  test.each([[""], [" leading"], ["\ud800"], ["x".repeat(513)], [42], [null], [undefined]])(
    "cannot be called %j",
    (id) => {
      expect(() => normaliseSources([id])).toThrow(expect.objectContaining({ code: "UNSTALE_INVALID_ARGUMENT" }));
    },
  );

  test.each([[undefined], [null], [42], [{}]])("cannot be %j", (ids) => {
    expect(() => normaliseSources(ids)).toThrow(/sources: expected document ids/);
  });

  test("may have versions, which are whole numbers from 0", () => {
    expect([...checkSourceVersions({ "article:42": 17, b: 0 })]).toEqual([
      ["article:42", 17],
      ["b", 0],
    ]);
    expect(checkSourceVersions(undefined).size).toBe(0);
    for (const version of [-1, 1.5, Number.NaN, "17", 2 ** 53, null]) {
      expect(() => checkSourceVersions({ a: version })).toThrow(/version: expected a whole number/);
    }
    for (const versions of [null, [], "a", 1]) {
      expect(() => checkSourceVersions(versions)).toThrow(/sourceVersions: expected an object/);
    }
  });
});
