import { describe, expect, test } from "@jest/globals";
import { createTtlRule, type TtlOptions } from "../../../cache-core/ttl.ts";

const hour = 3_600_000;
const rule = (options: TtlOptions = {}) => createTtlRule(options);

describe("a TTL", () => {
  test.each([
    ["90s", 90_000],
    ["6h", 6 * hour],
    ["1d", 24 * hour],
    ["5m", 300_000],
    ["1500ms", 1_500],
    ["1.5h", 1.5 * hour],
    ["7d", 7 * 24 * hour],
    [3_600, hour],
    [0.5, 500],
    ["static", 24 * hour],
    ["documentation", 6 * hour],
    ["user", hour],
    ["real-time", 60_000],
    [undefined, hour],
  ])("%s is %d ms", (ttl, ms) => {
    expect(rule().resolve(ttl)).toBe(ms);
  });

  test.each([
    0,
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    0.0001,
    "0s",
    "",
    "6 h",
    "h",
    "-6h",
    "1h30m",
    "1w",
    "answers",
  ])("%s is an error", (ttl) => {
    expect(() => rule().resolve(ttl)).toThrow(expect.objectContaining({ code: "UNSTALE_INVALID_ARGUMENT" }));
  });

  test.each<unknown>([null, true, {}, [], 5n, { toString: "" }])(
    "%p is an error, though it is no type for it",
    (ttl) => {
      expect(() => rule().resolve(ttl as never)).toThrow(/expected a positive number of seconds/);
    },
  );

  test("text without a unit is asked for it", () => {
    expect(() => rule().resolve("3600")).toThrow('did you mean "3600s"?');
  });

  test("milliseconds taken for seconds are guessed", () => {
    expect(() => rule().resolve(3_600_000)).toThrow('3600000 s is 41 days; did you mean "1h"?');
    expect(() => rule().resolve(90_000_000)).toThrow('did you mean "25h"?');
    expect(() => rule().resolve(604_801)).toThrow("604801 s is 7 days; the longest TTL is 7 days (maxTtl).");
    expect(() => rule().resolve("8d")).toThrow('"8d" is too long; the longest TTL is 7 days (maxTtl).');
  });

  test("maxTtl and defaultTtl are options", () => {
    expect(rule({ maxTtl: "30d" }).resolve("8d")).toBe(8 * 24 * hour);
    expect(rule({ defaultTtl: "documentation" }).resolve()).toBe(6 * hour);
    expect(rule({ maxTtl: "10m" }).resolve()).toBe(600_000);
    expect(rule({ maxTtl: "10m" }).resolve("static")).toBe(600_000);
    expect(() => rule({ defaultTtl: "8d" })).toThrow(/too long/);
    expect(() => rule({ maxTtl: 0 })).toThrow(/maxTtl: expected/);
  });

  test("classes can be changed and added; real-time stays between 1 and 5 minutes", () => {
    const own = rule({ ttlClasses: { faq: "12h", user: 60, "real-time": "5m" } });
    expect([own.resolve("faq"), own.resolve("user"), own.resolve("real-time")]).toEqual([12 * hour, 60_000, 300_000]);
    for (const ttl of ["59s", "301s"] as const) {
      expect(() => rule({ ttlClasses: { "real-time": ttl } })).toThrow(/1 to 5 minutes/);
    }
    expect(() => rule({ ttlClasses: { "1h": "2h" } })).toThrow(/names that are no durations/);
    expect(() => rule({ ttlClasses: { faq: "never" as never } })).toThrow(/ttlClasses.faq: expected/);
  });

  test("jitter shortens only", () => {
    expect(rule({ jitter: 0.2, random: () => 0 }).resolve("1h")).toBe(hour);
    expect(rule({ jitter: 0.2, random: () => 0.5 }).resolve("1h")).toBe(0.9 * hour);
    expect(rule({ jitter: 0.5, random: () => 0.99 }).resolve("1ms")).toBe(1);
  });

  test.each([-0.1, 1, Number.NaN, "0.1"])("a jitter of %p is an error", (jitter) => {
    expect(() => rule({ jitter: jitter as never })).toThrow(/jitter: expected/);
  });
});
