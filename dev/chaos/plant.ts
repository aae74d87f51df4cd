/**
 * Loaded into a worker process before its own code (`--import`), by rows that need a bug or a clock that no outside can
 * make. Does nothing until it is told.
 */
import { createRequire } from "node:module";

export type Planted =
  /** The worker's wall clock moves by so much, at once. */
  | { readonly kind: "clock"; readonly byMs: number }
  /** Commits of offsets hang, as if their answers never came. */
  | { readonly kind: "hold-commits" }
  /** The next fetches throw what no one expects from kafkajs, or what it throws when its login is refused. */
  | { readonly kind: "crash" | "login-refused"; readonly times: number }
  /** As many records are never seen, each from the middle of a batch. */
  | { readonly kind: "drop"; readonly records: number };

process.on("message", (fault: Planted) => {
  grow(fault);
  process.send?.("done");
});
// To listen must not keep the worker alive.
process.channel?.unref();

type Method = (this: unknown, ...args: unknown[]) => unknown;

function grow(fault: Planted): void {
  if (fault.kind === "clock") shiftClock(fault.byMs);
  else if (fault.kind === "hold-commits") replace("offsetCommit", () => () => new Promise(() => {}));
  else if (fault.kind === "drop") dropRecords(fault.records);
  else if (fault.kind === "crash") failFetches(fault.times, bug);
  else failFetches(fault.times, refusal);
}

const bug = (): Error => new TypeError("Cannot read properties of undefined (reading 'planted')");

function refusal(): Error {
  const error = new Error("SASL PLAIN authentication failed: Authentication failed");
  return Object.assign(error, { name: "KafkaJSSASLAuthenticationError", retriable: false });
}

function failFetches(times: number, make: () => Error): void {
  let left = times;
  replace(
    "fetch",
    (original) =>
      function (...args) {
        if (left <= 0) return original.apply(this, args);
        left -= 1;
        return Promise.reject(make());
      },
  );
}

type Fetched = { readonly responses: readonly { readonly partitions: readonly { readonly messages: unknown[] }[] }[] };

function dropRecords(records: number): void {
  let left = records;
  replace(
    "fetch",
    (original) =>
      async function (...args) {
        const fetched = (await original.apply(this, args)) as Fetched;
        for (const { messages } of fetched.responses.flatMap(({ partitions }) => partitions)) {
          if (left <= 0 || messages.length < 3) continue;
          left -= 1;
          messages.splice(1, 1);
        }
        return fetched;
      },
  );
}

function replace(name: string, make: (original: Method) => Method): void {
  const require = createRequire(import.meta.url);
  const broker = require("kafkajs/src/broker") as { readonly prototype: Record<string, Method> };
  const original = broker.prototype[name];
  if (original === undefined) throw new Error(`Expected kafkajs' broker to have ${name}().`);
  broker.prototype[name] = make(original);
}

function shiftClock(byMs: number): void {
  const RealDate = Date;
  const now = (): number => RealDate.now() + byMs;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, self) => Reflect.construct(target, args.length === 0 ? [now()] : args, self),
    apply: () => new RealDate(now()).toString(),
    get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
  });
}
