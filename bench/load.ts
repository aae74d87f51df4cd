import type { Redis } from "./client.ts";
import type { Sample } from "./rounds.ts";
import { usageOf } from "./server.ts";

export interface ClosedLoop {
  /** Of the server, or of each server of a cluster. */
  readonly admin: Redis | readonly Redis[];
  /** How many callers there are; each waits for its answer before it asks again. */
  readonly callers: number;
  readonly ms: number;
  readonly operation: (index: number) => Promise<unknown>;
}

/** Operations per second, and microseconds of server and client for each. */
export async function closedLoop({ admin, callers, ms, operation }: ClosedLoop): Promise<Sample> {
  const before = await microsOf(admin);
  const cpu = process.cpuUsage();
  const began = performance.now();
  const until = began + ms;
  let count = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() < until) await operation(count++);
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const lasted = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  const micros = (await microsOf(admin)) - before;
  return {
    rate: (count / lasted) * 1e3,
    serverMicros: micros / count,
    clientMicros: (user + system) / count,
    latencyMs: (lasted * callers) / count,
  };
}

export interface Job {
  /** Of the server, or of each server of a cluster. */
  readonly admin: Redis | readonly Redis[];
  /** How many things are done, for rates. */
  readonly count: number;
  readonly work: () => Promise<unknown>;
}

/** The same for a job that has an end. */
export async function timed({ admin, count, work }: Job): Promise<Sample> {
  const before = await microsOf(admin);
  const cpu = process.cpuUsage();
  const began = performance.now();
  await work();
  const lasted = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  const micros = (await microsOf(admin)) - before;
  return {
    rate: (count / lasted) * 1e3,
    ms: lasted,
    serverMicros: micros / count,
    clientMicros: (user + system) / count,
  };
}

async function microsOf(admin: Redis | readonly Redis[]): Promise<number> {
  const usages = await Promise.all([admin].flat().map((one) => usageOf(one)));
  return usages.reduce((sum, { micros }) => sum + micros, 0);
}

/** Runs `work` for each item, at most `width` at a time. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const item = items[next++];
      if (item !== undefined) await work(item);
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
}

export function chunksOf<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let from = 0; from < items.length; from += size) chunks.push(items.slice(from, from + size));
  return chunks;
}
