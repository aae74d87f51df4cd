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
  /** The next fetches throw what no one expects from kafkajs. */
  | { readonly kind: "crash"; readonly times: number };

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
  else crash(fault.times);
}

function crash(times: number): void {
  let left = times;
  replace(
    "fetch",
    (original) =>
      function (...args) {
        if (left <= 0) return original.apply(this, args);
        left -= 1;
        return Promise.reject(new TypeError("Cannot read properties of undefined (reading 'planted')"));
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
