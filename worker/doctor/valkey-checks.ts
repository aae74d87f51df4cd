import {
  type CacheStore,
  deploymentDifferences,
  isUnstaleError,
  proposeDeployment,
  wireFormat,
} from "@unstale/cache-core";
import type { Config } from "../../config/index.ts";
import type { OpenedStore } from "../connections.ts";
import { type LayoutSettings, layoutOf } from "../layout.ts";
import { memoryVerdict, serverProblem } from "../server-requirements.ts";
import { type CheckResult, fail, failure, ok, warn } from "./check.ts";
import { trialOfScripts } from "./script-trial.ts";

type Settings = LayoutSettings & Pick<Config, "kafkaGroupId">;

/** Reachability, version, role, memory policy, deployment record, scripts. */
export async function valkeyChecks(
  { store, problem }: OpenedStore,
  settings: Settings,
): Promise<readonly CheckResult[]> {
  const address = String(settings.valkeyUrl);
  try {
    const info = await store.serverInfo();
    const unfit = serverProblem(info, layoutOf(settings).isCluster);
    const name = `${info.product} ${info.version}`;
    if (unfit !== undefined)
      return [fail("valkey", `${name} at ${address}: ${unfit}`, "Set UNSTALE_VALKEY_URL to a server that fits.")];
    const { primaries = 1, replicas } = info;
    const shape =
      primaries > 1 ? `${primaries} primaries with ${replicas} replicas or more each` : `${replicas} replicas`;
    const reached =
      info.product === "unknown"
        ? unknownServer(address)
        : ok("valkey", `${name} at ${address}, ${info.role}, ${shape}`);
    const memory: CheckResult = { name: "memory", ...memoryVerdict(info) };
    return [reached, memory, await deploymentCheck(store, settings), await scriptCheck(store)];
  } catch (error) {
    const todo = `Check that ${address} is right, reachable from here, and lets this user in.`;
    const noAnswer = isUnstaleError(error) && error.retryable;
    if (noAnswer && problem.last !== undefined) return [fail("valkey", `cannot be used: ${problem.last}`, todo)];
    return [failure("valkey", error, todo)];
  }
}

function unknownServer(address: string): CheckResult {
  return warn(
    "valkey",
    `answers at ${address}; this user may not run INFO, so promotions are not noticed and no replica is waited for`,
    "Let this user run INFO (docs/security.md).",
  );
}

async function deploymentCheck(store: CacheStore, settings: Settings): Promise<CheckResult> {
  const name = "deployment";
  const { layout, foreignWriters } = layoutOf(settings);
  const ours = proposeDeployment({ layout, foreignWriters, group: settings.kafkaGroupId });
  const theirs = await store.deployment();
  if (theirs === undefined) return ok(name, "no record yet; the first worker or producer writes it");
  if ("kind" in theirs) {
    return fail(
      name,
      `the keys are of format ${theirs.format}, this program knows ${wireFormat}`,
      "Update this program.",
    );
  }
  const differences = deploymentDifferences(ours, theirs);
  if (differences.length === 0) return ok(name, `${theirs.id}, same settings`);
  return fail(name, differences.join("; "), "Give all programs on one Valkey the same settings.");
}

async function scriptCheck(store: CacheStore): Promise<CheckResult> {
  const name = "scripts";
  try {
    const steps = await trialOfScripts(store);
    const wrong = steps.filter(({ problem }) => problem !== undefined);
    const first = wrong[0];
    if (first === undefined) return ok(name, `all ran: ${steps.map(({ step }) => step).join(", ")}`);
    return warn(
      name,
      `${first.step}: ${first.problem}`,
      "Report this: the server does something that unstale does not expect.",
    );
  } catch (error) {
    return failure(
      name,
      error,
      "Let this user run EVAL and EVALSHA on all keys with the configured prefixes and unstale:*.",
    );
  }
}
