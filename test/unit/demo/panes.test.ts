import { describe, expect, test } from "@jest/globals";
import { createPanes, wrap } from "../../../dev/demo/panes.ts";

function screen(size: { isTTY?: boolean; columns?: number; rows?: number } = {}) {
  let written = "";
  const output = {
    ...size,
    write(text: string) {
      written += text;
    },
  };
  return { output, written: () => written };
}

/** What a terminal shows after the escape codes that the panes use. */
function shown(written: string): string[] {
  const lines = [""];
  let row = 0;
  for (const part of written.replaceAll("\u001b", "<ESC>").split(/(<ESC>\[\d*[AKJ]|\n)/)) {
    const up = /^<ESC>\[(\d+)A$/.exec(part);
    if (up) row -= Number(up[1]);
    else if (part === "\n") row += 1;
    else if (part === "<ESC>[2K") lines[row] = "";
    else if (part === "<ESC>[J") lines.splice(row);
    else lines[row] = (lines[row] ?? "") + part;
  }
  return lines.map((line) => (line ?? "").trimEnd());
}

describe("panes on a terminal", () => {
  const terminal = () => screen({ isTTY: true, columns: 80, rows: 40 });

  test("show both sides beside each other, in whatever order they speak", () => {
    const { output, written } = terminal();
    const panes = createPanes({ output, color: false });
    panes.tell("unstale", "right first");
    panes.tell("plain", "left second");
    expect(shown(written())).toEqual([`${"left second".padEnd(38)} │ right first`, ""]);
  });

  test("stay within 80 columns", () => {
    const { output, written } = terminal();
    const panes = createPanes({ output, color: false });
    panes.pair({ plain: "word ".repeat(30), unstale: "x".repeat(100) });
    panes.say("word ".repeat(40));
    expect(Math.max(...shown(written()).map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test("a pair begins on one row, whatever came before", () => {
    const { output, written } = terminal();
    const panes = createPanes({ output, color: false });
    panes.tell("plain", "one");
    panes.tell("plain", "two");
    panes.pair({ plain: "left", unstale: "right" });
    expect(shown(written())[2]).toBe(`${"left".padEnd(38)} │ right`);
  });

  test("a watched line changes in place and goes away", () => {
    const { output, written } = terminal();
    const panes = createPanes({ output, color: false });
    panes.watch("plain", "1 hit");
    panes.watch("plain", "2 hits");
    expect(shown(written())[0]).toContain("2 hits");
    panes.watch("plain", undefined);
    panes.say("end");
    expect(shown(written())).toEqual(["end", ""]);
  });
});

describe("panes without a terminal", () => {
  test("are lines with the side before each, and no escape codes", () => {
    const { output, written } = screen();
    const panes = createPanes({ output, color: false });
    panes.say("A customer asks");
    panes.pair({ plain: "left", unstale: "right" });
    panes.watch("plain", "not shown");
    expect(written()).toBe("A customer asks\n  plain   | left\n  unstale | right\n");
  });

  test("are what a terminal too narrow for two panes gets", () => {
    const { output, written } = screen({ isTTY: true, columns: 60 });
    createPanes({ output, color: false }).tell("plain", "left");
    expect(written()).toBe("  plain   | left\n");
  });
});

describe("wrap", () => {
  test("keeps a line that fits as it is", () => {
    expect(wrap("a  b   c", 8)).toEqual(["a  b   c"]);
  });

  test("breaks between words and keeps the indentation", () => {
    expect(wrap("  one two three", 9)).toEqual(["  one two", "    three"]);
  });
});
