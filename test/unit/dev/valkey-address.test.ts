import { expect, test } from "@jest/globals";
import { isAtLeast } from "../../../dev/services/valkey-binary.ts";
import { parseValkeyUrl, redacted } from "../../../dev/services/valkey-probe.ts";

test.each([
  ["redis://127.0.0.1:7000", { host: "127.0.0.1", port: 7000, tls: false, username: "", password: "" }],
  [
    "valkeys://me:p%40ss@cache.example",
    { host: "cache.example", port: 6379, tls: true, username: "me", password: "p@ss" },
  ],
  ["rediss://:pw@[::1]:1/2", { host: "::1", port: 1, tls: true, username: "", password: "pw" }],
])("%s is an address", (url, expected) => {
  expect(parseValkeyUrl(url)).toEqual(expected);
});

test.each(["", "127.0.0.1:6379", "http://host:1", "redis://"])('"%s" is none', (url) => {
  expect(() => parseValkeyUrl(url)).toThrow(/Expected an address like redis:/);
});

test("a password is not shown", () => {
  expect(redacted("redis://me:secret@host:1/2")).toBe("redis://***@host:1/2");
});

test.each([
  ["7.2.0", true],
  ["8.0.1", true],
  ["10.0.0", true],
  ["7.0.15", false],
  ["6.9.0", false],
])("%s is new enough: %s", (version, expected) => {
  expect(isAtLeast(version, "7.2")).toBe(expected);
});
