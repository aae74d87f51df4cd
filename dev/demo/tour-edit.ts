import { setTimeout as delay } from "node:timers/promises";
import { quote } from "../../examples/answers/answers.ts";
import type { Published } from "../../examples/publisher/publisher.ts";
import { now, theLamp } from "./editor.ts";
import type { Span } from "./otlp-receiver.ts";
import type { Panes } from "./panes.ts";
import type { Edit, Stage } from "./stage.ts";
import type { Guide } from "./tour.ts";
import { drawTree, spansBelow, type TreeNode } from "./trace-tree.ts";

export interface TourEditOptions {
  readonly stage: Stage;
  readonly panes: Panes;
  readonly guide: Guide;
}

/** One edit from end to end: what depended on the page, what was deleted, and the trace of it. */
export async function tourEdit({ stage, panes, guide }: TourEditOptions): Promise<void> {
  guide.chapter("Event-driven: an edit deletes exactly what was built from the page");
  const questions = [theLamp.question, "How many lumens does the Alder desk lamp give?"];
  for (const question of questions) await stage.ask("unstale", question, quote);
  const members = await guide.command("SMEMBERS", `doc_deps:${theLamp.id}`);
  const edit = await stage.edit(theLamp, "€99.00");
  await stage.applied("unstale", edit);
  guide.line(`an editor saves ${theLamp.file}`);
  const keys = Array.isArray(members) ? members.map(String) : [];
  if (keys.length > 0) await guide.command("EXISTS", ...keys);
  const { text } = await stage.ask("unstale", theLamp.question, quote);
  guide.line(`asked again: ${text}`);
  if (!stage.backend.embedded) await showTrace({ stage, panes, guide, edit });
}

async function showTrace({ stage, panes, guide, edit }: TourEditOptions & { readonly edit: Edit }): Promise<void> {
  guide.chapter("The trace of that edit: when each step began after the save, and how long it took");
  const published = await edit.published;
  const { spans } = stage.backend;
  const spanId = published.record.headers.traceparent?.split("-")[2] ?? "";
  const complete = () => spans.some(({ name }) => name === "invalidate") && spansBelow(spans, spanId).length > 0;
  for (const deadline = now() + 3_000; !complete() && now() < deadline; ) await delay(20);
  const width = Math.min(process.stdout.columns ?? 100, 110) - 3;
  for (const line of drawTree(treeOf({ edit, published, spans, spanId }), width)) panes.say(`   ${line}`);
}

interface Traced {
  readonly edit: Edit;
  readonly published: Published;
  readonly spans: readonly Span[];
  readonly spanId: string;
}

function treeOf({ edit, published, spans, spanId }: Traced): TreeNode {
  const { savedAt, page } = edit;
  const { sentAt, acknowledgedAt, position } = published;
  const worker = spansBelow(spans, spanId);
  const kafka: TreeNode = {
    label: `Kafka: partition ${position.partition}, offset ${position.offset}`,
    start: sentAt,
    end: acknowledgedAt,
    children: worker,
  };
  const publisher: TreeNode = {
    label: "publisher: sees it, waits until the editor is quiet",
    start: savedAt,
    end: sentAt,
    children: [kafka],
  };
  const end = Math.max(acknowledgedAt, ...worker.map((node) => node.end));
  return { label: `edit of ${page.id}, saved on disk`, start: savedAt, end, children: [publisher] };
}
