import type { CacheStore } from "@unstale/cache-core";
import { type Image, imageKey } from "./image.ts";
import { type Injection, injection, type Machine, type MachineOptions, memoryMachine } from "./machine.ts";
import type { ServerAddress } from "./resp-cluster.ts";
import type { Method, StoreStep } from "./step.ts";
import { ttlStepMs, valkeyMachine } from "./valkey-machine.ts";
import { Violation } from "./violation.ts";

const methods = ["read", "open", "commit", "invalidate", "drain", "sweep", "heartbeat", "confirm", "attach"] as const;

/** How many replies and states were compared. */
export interface Compared {
  replies: number;
  images: number;
}

export interface PairMachine extends Machine {
  readonly compared: Compared;
}

/**
 * Memory and a real server side by side: every step is done on both, the replies must be the same, and so must everything
 * in the two keyspaces after it. What memory then says of a state holds on the server as well.
 */
export async function pairMachine(options: MachineOptions & { readonly server: ServerAddress }): Promise<PairMachine> {
  // Of a large set the two would scan different members first.
  const { setMaxListpackEntries: _, ...same } = options;
  const memory = memoryMachine(same);
  const valkey = await valkeyMachine(same);
  const world = injection();
  const compared: Compared = { replies: 0, images: 0 };

  function inject(): void {
    Object.assign(memory.world, world);
    Object.assign(valkey.world, world);
  }

  function compare(asked: unknown, mine: unknown, theirs: unknown): void {
    compared.replies += 1;
    if (plain(mine) === plain(theirs)) return;
    throw new Violation("reply", `to ${JSON.stringify(asked)} memory says ${plain(mine)}, Valkey ${plain(theirs)}`);
  }

  async function both(method: Method, request: StoreStep["request"]): Promise<unknown> {
    inject();
    const run = (machine: Machine): Promise<unknown> =>
      (machine.store[method] as (request: StoreStep["request"]) => Promise<unknown>)(request);
    const [mine, theirs] = await Promise.all([run(memory), run(valkey)]);
    world.nonceTaken = memory.world.nonceTaken;
    compare({ [method]: request }, mine, theirs);
    return mine;
  }

  const store = { ...memory.store } as CacheStore;
  for (const method of methods) {
    Object.assign(store, { [method]: (request: StoreStep["request"]) => both(method, request) });
  }

  return {
    store,
    keys: memory.keys,
    world,
    compared,
    raw: async (command) => {
      inject();
      const [mine, theirs] = await Promise.all([memory.raw(command), valkey.raw(command)]);
      if (command.name === "SMEMBERS" || command.name === "GET") compare(command, mine, theirs);
      return mine;
    },
    image: async () => {
      inject();
      const [mine, theirs] = await Promise.all([memory.image(), valkey.image()]);
      compared.images += 1;
      const [expected, found] = [imageKey(rounded(mine, world)), imageKey(theirs)];
      if (expected !== found) throw new Violation("reply", `memory holds\n${expected}\nand Valkey\n${found}`);
      return mine;
    },
    restore: async (image) => {
      inject();
      await Promise.all([memory.restore(image), valkey.restore(image)]);
    },
    close: async () => void (await Promise.all([memory.close(), valkey.close()])),
  };
}

/** With TTLs as the server's image tells them. */
function rounded({ slots }: Image, { now }: Injection): Image {
  const start = now / 1_000;
  const round = (at: number | undefined): number | undefined =>
    at === undefined ? undefined : start + Math.round((at - start) / ttlStepMs) * ttlStepMs;
  return { slots: new Map([...slots].map(([key, slot]) => [key, { ...slot, expiresAt: round(slot.expiresAt) }])) };
}

/** Where Valkey promises no order, none is compared; the cursor of a scan means something to its own store only. */
function plain(reply: unknown): string {
  if (Array.isArray(reply)) return JSON.stringify([...reply].sort());
  if (typeof reply !== "object" || reply === null) return JSON.stringify(reply ?? null);
  const { drains, cursor, scanned, ...rest } = reply as Record<string, unknown>;
  const unordered = Array.isArray(drains) ? { drains: drains.map((drain) => JSON.stringify(drain)).sort() } : {};
  const fields = Object.entries({ ...rest, ...unordered }).sort(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify(Object.fromEntries(fields.filter(([, value]) => value !== undefined)));
}
