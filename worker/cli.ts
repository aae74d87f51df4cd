import { isUnstaleError } from "@unstale/cache-core";
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { completion, type Shell, shells } from "./commands/completion.ts";
import { config } from "./commands/config.ts";
import type { CommonOptions } from "./commands/settings.ts";
import { exitCodeOf, exitCodes } from "./exit-codes.ts";
import type { Surroundings } from "./surroundings.ts";

const description =
  "Event-driven invalidation for Valkey caches: once a change is acknowledged, no answer built before it is served again.";
const epilogue = `
Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 Valkey or the group is another deployment's, 130 interrupted
(143 by a second SIGTERM).
Settings come from --set, UNSTALE_* variables, the file given by --config, and defaults; "unstale config" shows them.`;

// Commands that need Kafka's client or the OpenTelemetry SDK are loaded when they are asked for: half a second of work.

/** Runs one command line. Resolves to the exit code; never rejects, and shows no stack trace for a user's mistake. */
export async function runCommandLine(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const { version, print, complain } = surroundings;
  let code: number = exitCodes.ok;
  const program = new Command("unstale")
    .description(description)
    .version(version, "-V, --version")
    .addHelpText("after", epilogue)
    .configureOutput({ writeOut: print, writeErr: complain })
    .exitOverride();

  const command = (name: string, summary: string, parent: Command = program): Command =>
    parent
      .command(name)
      .description(summary)
      .option("-c, --config <file>", "read settings from a YAML file")
      .option("-s, --set <name=value>", "one setting, by its name in the file; may be repeated", collect, [])
      .option("--json", "print JSON");

  command("run", "Consume change events and invalidate what depends on them, until stopped.")
    .option("--embedded", "without Kafka and Valkey: events over HTTP, the cache in memory")
    .option("--log-level <level>", "least important log lines that are written")
    .action(async (options: CommonOptions & { embedded?: true; logLevel?: string }) => {
      const { run } = await import("./commands/run.ts");
      code = await run(surroundings, options);
    });

  command("invalidate", "Make everything unservable that was built from a document, by an event or directly.")
    .argument("[document...]", "document ids, such as article:42")
    .option("-n, --namespace <namespace>", "everything in a namespace; may be repeated", collect, [])
    .option("--all", "everything")
    .option("--direct", "write to Valkey, without Kafka and without a worker")
    .option("--topic <topic>", "topic to produce to, where several are configured")
    .addOption(new Option("--timeout <seconds>", "how long to wait for the workers").default(30).argParser(seconds))
    .action(async (documents: string[], options) => {
      const { invalidate } = await import("./commands/invalidate.ts");
      code = await invalidate(surroundings, documents, options);
    });

  command("config", "Print the settings in force, and where each comes from; secrets are redacted.")
    .option("--schema", "print a JSON Schema of the settings file instead, for editors")
    .action((options: CommonOptions & { schema?: true }) => {
      code = config(surroundings, options);
    });

  command("doctor", "Look at Kafka, Valkey and their settings, and say what is wrong and what to do.").action(
    async (options: CommonOptions) => {
      const { doctor } = await import("./commands/doctor.ts");
      code = await doctor(surroundings, options);
    },
  );

  command("lag", "Print how far the group and Valkey are in each partition, in records and seconds.")
    .option("--topic <topic>", "only this topic")
    .action(async (options) => {
      const { lag } = await import("./commands/lag.ts");
      code = await lag(surroundings, options);
    });

  command("replay", "Read a stretch of the topics again, beside the group, and invalidate what its events name.")
    .requiredOption("--from <bound>", "first offset, or a time, or how long ago: 42, 2026-11-23T10:00:00Z, 90m")
    .option("--to <bound>", "end of the stretch, written alike; else the end of the log")
    .option("--topic <topic>", "only this topic")
    .addOption(new Option("--partition <number>", "only this partition").argParser(whole("--partition", 0)))
    .option("--apply", "do it; without it only what is there is counted")
    .action(async (options) => {
      const { replay } = await import("./commands/replay.ts");
      code = await replay(surroundings, options);
    });

  const dlq = program.command("dlq").description("Dead letters: records that could not be read.");
  const letters = (name: string, summary: string): Command =>
    command(name, summary, dlq)
      .option("--topic <topic>", "only letters of this topic")
      .option("--reason <reason>", "only letters with this reason, such as not-json")
      .option("--since <time>", "not older than this: 2026-11-23T10:00:00Z, or 90m ago")
      .option("--until <time>", "older than this, written alike")
      .addOption(new Option("--limit <number>", "at most so many").default(100).argParser(whole("--limit", 1)));
  letters("list", "Print dead letters, the oldest first.").action(async (options) => {
    const { dlqList } = await import("./commands/dlq.ts");
    code = await dlqList(surroundings, options);
  });
  command("show", "Print one dead letter with key, value and headers.", dlq)
    .argument("<letter>", "as list names it, such as cms.documents.dlq/0/12")
    .action(async (name: string, options) => {
      const { dlqShow } = await import("./commands/dlq.ts");
      code = await dlqShow(surroundings, name, options);
    });
  letters("replay", "Send dead letters back to where they came from.")
    .option("--apply", "do it; without it only what would be sent is printed")
    .addOption(new Option("--rate <number>", "records for each second").default(100).argParser(whole("--rate", 1)))
    .action(async (options) => {
      const { dlqReplay } = await import("./commands/dlq.ts");
      code = await dlqReplay(surroundings, options);
    });

  program
    .command("completion")
    .description("Print a script that completes commands, options and settings in a shell.")
    .addArgument(new Argument("<shell>").choices(shells))
    .action((shell: Shell) => print(completion(shell, program)));

  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    return explain(error, args.includes("--json"), complain);
  }
  return code;
}

function explain(error: unknown, asJson: boolean, complain: (text: string) => void): number {
  // Commander has printed its own; help and version are no errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (!isUnstaleError(error)) {
    complain(`unstale: this is a bug; please report it.\n${error instanceof Error ? error.stack : String(error)}\n`);
    return exitCodes.failed;
  }
  const { code, message, details } = error;
  complain(asJson ? `${JSON.stringify({ error: { code, message, ...details } })}\n` : `unstale: ${message}\n`);
  return exitCodeOf(error);
}

function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value > 0 && value <= 86_400) return value;
  throw new InvalidArgumentError("Expected seconds, more than 0 and at most 86400.");
}

function whole(option: string, least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,9}$/.test(text) && value >= least) return value;
    throw new InvalidArgumentError(`${option}: expected a whole number from ${least} on.`);
  };
}
