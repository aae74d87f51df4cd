import type { Row } from "../row.ts";
import { kafkaRows } from "./kafka.ts";
import { logRows } from "./log.ts";
import { poisonRows } from "./poison.ts";
import { processRows } from "./process.ts";
import { valkeyRows } from "./valkey.ts";
import { workerRows } from "./workers.ts";

export const rows: readonly Row[] = [
  ...workerRows,
  ...valkeyRows,
  ...kafkaRows,
  ...logRows,
  ...poisonRows,
  ...processRows,
];
