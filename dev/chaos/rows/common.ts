import { expectThat } from "../row.ts";
import type { Stage } from "../stage.ts";
import { until } from "../until.ts";
import type { Worker } from "../worker.ts";

/** The worker owns every partition. */
export async function ownsAll(stage: Stage, worker: Worker): Promise<void> {
  const { partitions = 4 } = stage.options;
  await until(`${worker.name} owns everything`, async () => (await worker.owned()) === partitions);
}

/** Every living worker owns a part. */
export async function isShared(stage: Stage): Promise<void> {
  const { partitions = 4 } = stage.options;
  const living = stage.workers.filter(({ mayEnd }) => !mayEnd);
  await until("the workers share the partitions", async () => {
    const owned = await Promise.all(living.map((worker) => worker.owned()));
    return owned.every((count) => count > 0) && owned.reduce((sum, count) => sum + count, 0) === partitions;
  });
}

/** How often workers joined the group so far, all together. */
export function joins(stage: Stage): number {
  const said = stage.workers.map(({ lines }) => lines.filter(({ msg }) => msg === "joined the group").length);
  return said.reduce((sum, count) => sum + count, 0);
}

/** All workers say that they are not ready, and why, and that they live. */
export async function noneIsReady(stage: Stage, because: RegExp): Promise<void> {
  for (const worker of stage.workers) {
    let said = "";
    await until(`${worker.name} says that it is not ready because of ${because}`, async () => {
      const { status, text } = await worker.get("/readyz?verbose");
      said = text;
      return status === 503 && because.test(text);
    }).catch((error: unknown) => {
      if (error instanceof Error) error.message += `; it said: ${said}`;
      throw error;
    });
    expectThat((await worker.get("/livez")).status === 200, `${worker.name} wants to be replaced`);
  }
}
