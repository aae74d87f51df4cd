import type { Span } from "./otlp-receiver.ts";

export interface TreeNode {
  readonly label: string;
  /** Milliseconds since the epoch, with fractions. */
  readonly start: number;
  readonly end: number;
  readonly children: readonly TreeNode[];
}

/** Spans that descend from the given one, also by a link: a consumer that works on a batch links to what caused it. */
export function spansBelow(spans: readonly Span[], spanId: string): TreeNode[] {
  return spans
    .filter((span) => span.parentSpanId === spanId || span.links.some((link) => link.spanId === spanId))
    .sort((one, other) => one.start - other.start)
    .map((span) => ({
      label: describe(span),
      start: span.start,
      end: span.end,
      children: spansBelow(spans, span.spanId),
    }));
}

/** Who did it, and what came of it: the counts that are not zero. */
function describe({ name, attributes }: Span): string {
  const who = attributes["db.system.name"] === undefined ? "worker" : "Valkey";
  const counts = Object.entries(attributes)
    .filter(([key, value]) => key.startsWith("unstale.") && key !== "unstale.documents" && Number(value) > 0)
    .map(([key, value]) => `, ${value} ${key.slice("unstale.".length).replaceAll(/[._]/g, " ")}`);
  return `${who}: ${name}${counts.join("")}`;
}

/** One line for each node: when it began, how long it took, and where it belongs. */
export function drawTree(root: TreeNode, width: number): string[] {
  const columns = 20;
  return walk(root, "", "").map(({ node, branch }) => {
    const name = `${branch}${node.label}`;
    const room = width - columns;
    const shown = name.length > room ? `${name.slice(0, room - 1)}…` : name.padEnd(room);
    return `${shown}${`+${ms(node.start - root.start)}`.padStart(columns / 2)}${ms(node.end - node.start).padStart(columns / 2)}`;
  });
}

function walk(node: TreeNode, branch: string, below: string): { node: TreeNode; branch: string }[] {
  const children = node.children.flatMap((child, at) => {
    const last = at === node.children.length - 1;
    return walk(child, `${below}${last ? "└─ " : "├─ "}`, `${below}${last ? "   " : "│  "}`);
  });
  return [{ node, branch }, ...children];
}

export function ms(duration: number): string {
  return `${duration.toFixed(duration < 10 ? 1 : 0)} ms`;
}
