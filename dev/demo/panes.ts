// Two panes side by side on a terminal, prefixed lines elsewhere. The panes are blocks in the normal flow of the terminal:
// a line across both ends a block, so everything stays in the scrollback and can be copied.

export type Side = "plain" | "unstale";
export const sides = ["plain", "unstale"] as const;

export type Tone = "normal" | "good" | "bad" | "dim" | "strong";

export interface Panes {
  /** A line across both panes: what happens in the world. */
  say(text?: string, tone?: Tone): void;
  /** A line in one pane. */
  tell(side: Side, text: string, tone?: Tone): void;
  /** A line in each pane, beside each other. */
  pair(lines: Readonly<Record<Side, string>>, tone?: Tone): void;
  /** A last line that changes in place on a terminal and is not shown elsewhere; `undefined` takes it away. */
  watch(side: Side, text: string | undefined): void;
}

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

export interface PanesOptions {
  readonly output: Output;
  readonly color: boolean;
}

const narrowest = 72;
const widest = 110;
const divider = " │ ";

export function createPanes({ output, color }: PanesOptions): Panes {
  const paint = color ? ansi : (text: string) => text;
  return output.isTTY && (output.columns ?? 80) >= narrowest
    ? twoPanes({ output, paint })
    : prefixedLines({ output, paint });
}

type Paint = (text: string, tone: Tone) => string;

interface Layout {
  readonly output: Output;
  readonly paint: Paint;
}

function prefixedLines({ output, paint }: Layout): Panes {
  const tell: Panes["tell"] = (side, text, tone = "normal") =>
    void output.write(`  ${side.padEnd(7)} | ${paint(text, tone)}\n`);
  return {
    say: (text = "", tone = "normal") => void output.write(`${paint(text, tone)}\n`),
    tell,
    pair(lines, tone) {
      for (const side of sides) tell(side, lines[side], tone);
    },
    watch: () => {},
  };
}

interface Row {
  readonly text: string;
  readonly tone: Tone;
}

function twoPanes({ output, paint }: Layout): Panes {
  const block: Record<Side, Row[]> = { plain: [], unstale: [] };
  const watched: Record<Side, string | undefined> = { plain: undefined, unstale: undefined };
  let drawn = 0;

  const total = () => Math.min(output.columns ?? 80, widest);
  const width = () => Math.floor((total() - divider.length) / 2);
  const rowsOf = (side: Side): Row[] => {
    const line = watched[side];
    return line === undefined ? block[side] : [...block[side], { text: line.slice(0, width()), tone: "dim" }];
  };

  function draw(): void {
    const [left, right] = [rowsOf("plain"), rowsOf("unstale")];
    const height = Math.max(left.length, right.length);
    const cell = (row: Row | undefined) => paint((row?.text ?? "").padEnd(width()), row?.tone ?? "normal");
    const lines = Array.from({ length: height }, (_, at) => {
      return `\u001b[2K${cell(left[at])}${paint(divider, "dim")}${cell(right[at]).trimEnd()}\n`;
    });
    const up = drawn > 0 ? `\u001b[${drawn}A` : "";
    output.write(`${up}${lines.join("")}${height < drawn ? "\u001b[J" : ""}`);
    drawn = height;
  }

  function add(side: Side, text: string, tone: Tone): void {
    block[side].push(...wrap(text, width()).map((line) => ({ text: line, tone })));
  }

  /** A block that no longer fits the screen cannot be redrawn: go on below it. */
  function keepOnScreen(): void {
    if (drawn <= (output.rows ?? 24) - 6) return;
    for (const side of sides) block[side] = [];
    drawn = 0;
  }

  return {
    say(text = "", tone = "normal") {
      for (const side of sides) block[side] = [];
      drawn = 0;
      for (const line of wrap(text, total())) output.write(`${paint(line, tone)}\n`);
    },
    tell(side, text, tone = "normal") {
      keepOnScreen();
      add(side, text, tone);
      draw();
    },
    pair(lines, tone = "normal") {
      keepOnScreen();
      const height = Math.max(...sides.map((side) => block[side].length));
      for (const side of sides) {
        while (block[side].length < height) block[side].push({ text: "", tone });
        add(side, lines[side], tone);
      }
      draw();
    },
    watch(side, text) {
      if (watched[side] === text) return;
      watched[side] = text;
      draw();
    },
  };
}

/** Lines of at most `width` characters, broken between words; those after the first are indented like it, and a bit more. */
export function wrap(text: string, width: number): string[] {
  if (text.length <= width) return [text];
  const [indent = ""] = /^ */.exec(text) ?? [];
  const lines: string[] = [];
  let line = "";
  for (const word of text.trim().split(/ +/)) {
    const longer = line === "" ? `${indent}${lines.length > 0 ? "  " : ""}${word}` : `${line} ${word}`;
    if (longer.length > width && line !== "") {
      lines.push(line);
      line = `${indent}  ${word}`;
    } else line = longer;
    // A word that is wider than the pane, such as a key.
    while (line.length > width) {
      lines.push(line.slice(0, width));
      line = `${indent}  ${line.slice(width)}`;
    }
  }
  return [...lines, line];
}

const codes: Record<Tone, string> = { normal: "", good: "32", bad: "31", dim: "2", strong: "1" };

function ansi(text: string, tone: Tone): string {
  return codes[tone] && text ? `\u001b[${codes[tone]}m${text}\u001b[0m` : text;
}
