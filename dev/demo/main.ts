// npm run demo                 one moment, then load, then numbers
// npm run demo -- tour         goes on with every strategy, SmartCache, and the trace of one edit
// npm run demo -- --keep       leaves everything running, to look around
// npm run demo -- --embedded   without Kafka and Valkey
import { parseArgs } from "node:util";
import { ServiceUnavailableError, terminalProgress } from "../services/index.ts";
import type { Backend, BackendEvents } from "./backend.ts";
import { siteFolder } from "./checkout.ts";
import { createCleanup } from "./cleanup.ts";
import { now } from "./editor.ts";
import { openEmbeddedBackend } from "./embedded-backend.ts";
import { keepRunning } from "./keep.ts";
import { playLoad, tellResult } from "./load.ts";
import { playMoment } from "./moment.ts";
import { createPanes, wrap } from "./panes.ts";
import { openRealBackend } from "./real-backend.ts";
import { openStage } from "./stage.ts";
import { playTour } from "./tour.ts";

const usage = "usage: npm run demo [-- [tour] [--keep] [--embedded]]";
const options = readArguments();
const { stdout, env } = process;
const terminal = terminalProgress({ stream: stdout });
const panes = createPanes({ output: stdout, color: stdout.isTTY && !env.NO_COLOR });
const loadSeconds = 8;
const stopping = new AbortController();
let endingSince = 0;
const cleanup = createCleanup({ onError: (name, error) => console.error(`${name}: ${messageOf(error)}`) });

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  process.on(signal, () => void end(code));
}
// Whoever read along has gone: a closed terminal, `| head`.
stdout.on("error", () => {
  if (!stopping.signal.aborted) void end(1);
});

// Answers are asked for without waiting for each; one that fails meanwhile arrives here.
process.on("unhandledRejection", (error) => void fail(error));

try {
  await play();
  await cleanup.run();
} catch (error) {
  await fail(error);
}

async function fail(error: unknown): Promise<void> {
  // While everything is being closed, whatever was under way fails.
  if (stopping.signal.aborted) return;
  // A service or a worker that does not start says why; anything else is a mistake in the demo.
  const told = error instanceof ServiceUnavailableError || (error instanceof Error && error.constructor === Error);
  console.error(told ? messageOf(error) : error);
  await end(1);
}

async function end(code: number): Promise<void> {
  if (stopping.signal.aborted) {
    // One Ctrl-C may arrive twice, from the terminal and from npm. A later one is from somebody who does not want to
    // wait: what is still open is ended by its watchdog when this process is gone.
    if (now() - endingSince > 1_000) process.exit(code);
    return;
  }
  endingSince = now();
  stopping.abort();
  await cleanup.run();
  process.exit(code);
}

async function play(): Promise<void> {
  panes.say("unstale keeps cached answers in step with the documents they were built from.", "strong");
  panes.say(
    "First one moment, as it happens in production: a page is edited while an answer is computed from its old text.",
  );
  panes.say();
  const stage = await openStage({ site: siteFolder, cleanup, openBackend });
  progress(`Site: 23 Markdown pages of a small shop, copied to ${stage.editor.folder}`);
  panes.say();
  panes.say("Two caches, the same questions, the same changes:");
  panes.pair({ plain: "The plain worker everybody writes", unstale: "unstale" }, "strong");
  panes.pair(
    {
      plain: "writes with HSET, EXPIRE, SADD; deletes at an event with SMEMBERS, DEL",
      unstale: "writes with SmartCache; `unstale run` is the worker that hears the events",
    },
    "dim",
  );
  panes.say();
  await playMoment({ stage, panes, paceMs: paceMs() });
  panes.say();
  panes.say(
    `Now by chance, many times, for ${loadSeconds} seconds: editors change prices, customers ask, and an answer takes 150 to 350 ms.`,
    "strong",
  );
  const result = await playLoad({ stage, panes, seconds: loadSeconds, signal: stopping.signal });
  tellResult({ panes, result });
  if (options.tour) await playTour({ stage, panes, cleanup, progress });
  const next = [
    ...(options.tour ? [] : ["npm run demo -- tour (every strategy, one trace)"]),
    ...(options.keep ? [] : ["npm run demo -- --keep (look around)"]),
  ];
  if (next.length > 0) panes.say(`Next: ${next.join(", ")}.`, "dim");
  if (options.keep) await keepRunning({ stage, panes, signal: stopping.signal });
}

async function openBackend(events: BackendEvents): Promise<Backend> {
  if (options.embedded) return openEmbeddedBackend({ ...events, progress, cleanup, why: "asked for by --embedded" });
  try {
    return await openRealBackend({ ...events, progress, cleanup });
  } catch (error) {
    // An address that was given and is wrong is a mistake to be told, not to be worked around.
    const given = ["UNSTALE_KAFKA_BROKERS", "KAFKA_BROKERS", "UNSTALE_VALKEY_URL", "VALKEY_URL"].some(
      (name) => env[name],
    );
    if (given || !(error instanceof ServiceUnavailableError)) throw error;
    return openEmbeddedBackend({ ...events, progress, cleanup, why: error.message });
  }
}

/** Lines that stay are broken between words, as everything else here. */
function progress(line: string, how: { readonly transient?: boolean } = {}): void {
  const width = stdout.isTTY ? Math.min(stdout.columns, 110) : Number.POSITIVE_INFINITY;
  if (how.transient) terminal(line.slice(0, width - 1), how);
  else terminal(wrap(line, width).join("\n"));
}

/** Milliseconds a reader gets for each step; a test needs none. */
function paceMs(): number {
  return Number(env.UNSTALE_DEMO_PACE_MS ?? 1_500);
}

function readArguments(): { readonly tour: boolean; readonly keep: boolean; readonly embedded: boolean } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { keep: { type: "boolean" }, embedded: { type: "boolean" }, help: { type: "boolean", short: "h" } },
    });
    const unknown = positionals.find((word) => word !== "tour");
    if (unknown !== undefined) throw new Error(`Expected "tour" or nothing, got "${unknown}".`);
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    return { tour: positionals.length > 0, keep: values.keep ?? false, embedded: values.embedded ?? false };
  } catch (error) {
    console.error(`${messageOf(error)}\n${usage}`);
    process.exit(2);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
