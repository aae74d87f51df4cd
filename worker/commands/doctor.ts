import { openStore } from "../connections.ts";
import type { CheckResult } from "../doctor/check.ts";
import { kafkaChecks } from "../doctor/kafka-checks.ts";
import { valkeyChecks } from "../doctor/valkey-checks.ts";
import { workerError } from "../errors.ts";
import type { Surroundings } from "../surroundings.ts";
import { type CommonOptions, loadSettings } from "./settings.ts";

const marks = { ok: "ok  ", warn: "warn", fail: "FAIL" } as const;

/** Resolves to 1 when a check failed. */
export async function doctor(surroundings: Surroundings, options: CommonOptions): Promise<number> {
  const { config, origins } = loadSettings(surroundings, options);
  if (config.embedded)
    throw workerError("UNSTALE_USAGE", "An embedded worker needs neither Kafka nor Valkey: nothing to look at.");
  const { store, problem } = openStore(config);
  try {
    const given = Object.values(origins).filter((origin) => origin !== "default").length;
    const results: readonly CheckResult[] = [
      { name: "settings", status: "ok", message: `valid; ${given} given, the others are defaults` },
      ...(await valkeyChecks({ store, problem }, config)),
      ...(await kafkaChecks(config, store, surroundings.clock)),
    ];
    const failed = results.some(({ status }) => status === "fail");
    surroundings.print(options.json ? `${JSON.stringify({ ok: !failed, checks: results })}\n` : describe(results));
    return failed ? 1 : 0;
  } finally {
    await store.close();
  }
}

function describe(results: readonly CheckResult[]): string {
  const width = Math.max(...results.map(({ name }) => name.length));
  const lines = results.map(({ name, status, message, todo }) => {
    const rest = todo === undefined ? "" : ` -> ${todo}`;
    return `${marks[status]}  ${name.padEnd(width)}  ${message}${rest}\n`;
  });
  return lines.join("");
}
