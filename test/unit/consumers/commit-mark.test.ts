import { expect, test } from "@jest/globals";
import { formatMark, parseMark } from "../../../consumers/commit-mark.ts";
import { ownerIn } from "../../../consumers/group-members.ts";

test.each([{ owner: "a1", topicId: "x_-9" }, { owner: "a1" }, { topicId: "x" }, {}])(
  "%j is read as written",
  (mark) => {
    expect(parseMark(formatMark(mark))).toEqual({ owner: undefined, topicId: undefined, ...mark });
  },
);

test.each(["", "deployment 7", "unstale/2 a b", "unstale/10 a b", "{}"])("%j says nothing", (text) => {
  expect(parseMark(text)).toEqual({});
});

test("fields of a later version are left alone", () => {
  expect(parseMark("unstale/1 a b c=1")).toEqual({ owner: "a", topicId: "b" });
});

test.each(["", "00", "0000ffffffff", "00000000000100", "0000000000ff0000"])(
  "a subscription of other bytes (%s) names nobody",
  (hex) => {
    expect(ownerIn(Buffer.from(hex, "hex"))).toBeUndefined();
  },
);
