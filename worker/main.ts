#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { systemClock } from "@unstale/cache-core";
import { pino } from "pino";
import { runCommandLine } from "./cli.ts";
import { readVersion } from "./version.ts";

// A reader that goes away (EPIPE), or a full disk, must not end a worker.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

const code = await runCommandLine(process.argv.slice(2), {
  env: process.env,
  version: readVersion(),
  print: (text) => process.stdout.write(text),
  complain: (text) => process.stderr.write(text),
  isTerminal: process.stdout.isTTY === true,
  readFile: (path) => readFileSync(path, "utf8"),
  signals: process,
  logDestination: () => {
    // What cannot be written within 4 MB is dropped rather than kept.
    const destination = pino.destination({ fd: 1, sync: false, maxLength: 4_194_304 });
    destination.on("error", () => undefined);
    return destination;
  },
  exit: (status) => process.exit(status),
  clock: systemClock,
});
process.exit(code);
