import { cacheErrors, type ErrorKind } from "@unstale/cache-core";
import { consumerErrors } from "../consumers/index.ts";
import { workerErrors } from "../worker/errors.ts";

/** docs/errors.md, from the tables of codes. */
export function errorsPage(): string {
  return `# Errors

All errors of the project are of one class, \`UnstaleError\`, with a \`code\` from these tables, \`retryable\` (the same call may succeed later without
a change by the caller), \`cause\`, and small \`details\` without secrets or content. Check with \`isUnstaleError(error)\`: a program may hold two
copies of the library. A message says what was expected, what came, and what to do.

\`get\` and \`getOrSet\` do not throw because Valkey is away: that is a miss. What a \`fill\` throws, its caller gets unchanged.

## The library

${table(cacheErrors)}

## Sources of changes

${table(consumerErrors)}

## The worker and its commands

${table(workerErrors)}

Exit codes of the commands: 0 done, 1 failed, 2 wrong usage or settings, 3 Valkey or the consumer group is another deployment's
(\`UNSTALE_CONFIG_MISMATCH\`, \`UNSTALE_KAFKA_GROUP_SHARED\`: starting again does not help), 130 interrupted (143 by a second SIGTERM).

## Why a write was refused

Not an error: \`set\` answers \`{ written: false, reason }\`, and \`getOrSet\` the fresh answer with \`status: "refused"\`.

| reason | |
|---|---|
| \`changed\` | a source changed after the lease was taken, or is known in a newer version |
| \`version\` | a version tag was raised since the lease: the namespace, or everything, was invalidated |
| \`lost\` | the bucket's state is not the one of the lease: it was lost, or Valkey was restarted or failed over |
| \`old\` | changes since the lease may have been forgotten |
| \`format\` | the keys in Valkey are of a newer format: update this program |
| \`wrong-type\` | a dependency set's key holds another type; the next event for the document removes it |
| \`too-many-sources\` | more than \`maxSources\` |
| \`not-this-query\` | the lease was taken for another query or namespace |
| \`unavailable\` | Valkey did not answer when the lease was taken, or does not answer now |
`;
}

function table(errors: Readonly<Record<string, ErrorKind>>): string {
  const rows = Object.entries(errors).map(
    ([code, { retryable, summary }]) => `| \`${code}\` | ${retryable ? "yes" : "no"} | ${summary} |`,
  );
  return ["| code | retryable | meaning |", "|---|---|---|", ...rows].join("\n");
}
