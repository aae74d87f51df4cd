import { backlog } from "./backlog.ts";
import type { Bench } from "./bench.ts";
import { cluster } from "./cluster.ts";
import { commit } from "./commit.ts";
import { endToEnd } from "./end-to-end.ts";
import { hotDocument } from "./hot-document.ts";
import { invalidate } from "./invalidate.ts";
import { latency } from "./latency.ts";
import { leftovers } from "./leftovers.ts";
import { memory } from "./memory.ts";
import { read } from "./read.ts";
import { wipe } from "./wipe.ts";

/** In the order of the page. */
export const benches: readonly Bench[] = [
  invalidate,
  hotDocument,
  endToEnd,
  latency,
  commit,
  read,
  cluster,
  memory,
  leftovers,
  wipe,
  backlog,
];
