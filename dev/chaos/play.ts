import { account } from "./ledger.ts";
import type { Load } from "./load.ts";
import { judge } from "./oracle.ts";
import { expectThat, type Outcome, type Row } from "./row.ts";
import { Stage } from "./stage.ts";
import type { SharedServices } from "./stage-kafka.ts";
import type { Length } from "./stage-options.ts";

/** Plays a row from begin to end; whatever goes wrong is a problem of its outcome. Never rejects. */
export async function play(row: Row, shared: SharedServices, length: Length): Promise<Outcome> {
  const began = Date.now();
  const problems: string[] = [];
  const tried = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      const said = error instanceof Error && error.name === "RowFailure" ? error.message : stackOf(error);
      problems.push(`${what}: ${said}`);
      return undefined;
    }
  };
  const stage = await tried("setting up", () => Stage.open(row.stage ?? {}, shared, length));
  let facts: Pick<Outcome, "events" | "dependents" | "lost" | "duplicates" | "recoveryMs" | "stalestMs"> | undefined;
  if (stage !== undefined) {
    await tried("playing", async () => {
      await begin(stage);
      await row.play(stage);
    });
    facts = await tried("afterwards", () => conclude(row, stage, problems));
    if (problems.length > 0) problems.push(...stage.workers.map((worker) => `${worker.name}:\n${worker.tail()}`));
    await tried("ending", () => stage.close());
  }
  const none = { events: 0, dependents: 0, lost: 0, duplicates: 0, recoveryMs: undefined, stalestMs: undefined };
  return { row: row.name, ...none, ...facts, seconds: (Date.now() - began) / 1_000, problems };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Workers are ready and share the work; events flow. */
async function begin(stage: Stage): Promise<void> {
  const { workers = 2, partitions = 4 } = stage.options;
  for (let count = 0; count < workers; count += 1) await stage.start();
  await Promise.all([stage.load.ready(), ...stage.workers.map((worker) => worker.ready())]);
  stage.load.begin(partitions);
  await stage.load.more(300);
}

type Facts = Pick<Outcome, "events" | "dependents" | "lost" | "duplicates" | "recoveryMs" | "stalestMs">;

/** The load ends, everything is committed, and every event of the ledger is asked for. */
async function conclude(row: Row, stage: Stage, problems: string[]): Promise<Facts> {
  const { load, group, tool, valkey, workers } = stage;
  const failed = problems.length > 0;
  const recoveryMs = failed ? undefined : await stage.recovery;
  if (!failed) await load.more(300);
  await load.end();
  await group.reached(await stage.ends(), failed ? 5_000 : 90_000);
  const living = workers.filter((worker) => !worker.mayEnd);
  await Promise.all(living.map((worker) => worker.ready()));
  const slices = workers.flatMap((worker) => worker.slices);
  const forgets = row.forgets ?? false;
  const verdict = await judge({ load, valkey: tool, valkeyUrl: valkey.url, forgets, timeoutMs: 30_000 });
  if (verdict.lost.size !== (row.lost ?? 0)) problems.push(described(verdict.lost, load));
  const { duplicates, stalestMs } = account(load.events, slices);
  await judgeBarriers(row, stage);
  if (row.duplicates === "none") expectThat(duplicates === 0, `${duplicates} events were applied again`);
  const counts = { events: load.events.length, dependents: verdict.dependents, lost: verdict.lost.size };
  return { ...counts, duplicates, recoveryMs, stalestMs };
}

function described(lost: ReadonlyMap<string, string>, { events }: Load): string {
  const some = events.filter(({ id }) => lost.has(id)).slice(0, 5);
  const named = some.map(({ id, partition, offset }) => `${id} (${partition} at ${offset}) is ${lost.get(id)}`);
  return `${lost.size} events were lost: ${named.join(", ")}`;
}

/** A barrier hides losses: where none is called for, none may have happened. */
async function judgeBarriers({ barriers = "none" }: Row, { workers }: Stage): Promise<void> {
  if (barriers === "any") return;
  const counted = await Promise.all(
    workers.filter(({ alive }) => alive).map((worker) => worker.metric("unstale_worker_barriers_total")),
  );
  const said = workers.filter((worker) => worker.said("everything was invalidated")).length;
  const happened = said > 0 || counted.some((count) => count > 0);
  expectThat(
    happened === (barriers === "some"),
    happened ? "everything was invalidated, for no reason" : "nothing was invalidated as a whole",
  );
}
