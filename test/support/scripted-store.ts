import type { CacheStore } from "@unstale/cache-core";

type Step = Exclude<keyof CacheStore, "close">;
type Method<S extends Step> = CacheStore[S];
type Reply<S extends Step> = Awaited<ReturnType<Method<S>>>;
/** Stands between a caller and one step of the store: may delay it, replace its reply, or fail. */
type Interceptor<S extends Step> = (
  proceed: () => Promise<Reply<S>>,
  ...request: Parameters<Method<S>>
) => Promise<Reply<S>> | Reply<S>;

const steps = [
  "read",
  "open",
  "commit",
  "acquireFill",
  "renewFill",
  "releaseFill",
  "invalidate",
  "drain",
  "sweep",
  "heartbeat",
  "confirm",
  "attach",
  "awaitReplicas",
  "configure",
  "deployment",
  "serverInfo",
] as const satisfies readonly Step[];

export interface ScriptedStore extends CacheStore {
  /** From now on, each call of this step goes through the interceptor. */
  intercept<S extends Step>(step: S, interceptor: Interceptor<S>): void;
  /** From now on, the step does what the real store does. */
  restore(...steps: Step[]): void;
  /** From now on, every step fails. */
  fail(error: unknown): void;
  /** Names of the steps called so far, in order. */
  readonly calls: readonly Step[];
  count(step: Step): number;
  readonly closed: boolean;
}

/** A store that does what another does, except where a test wants it otherwise. */
export function scriptedStore(real: CacheStore): ScriptedStore {
  const interceptors = new Map<Step, Interceptor<Step>>();
  const calls: Step[] = [];
  let closed = false;

  const scripted = Object.fromEntries(
    steps.map((step) => [
      step,
      async (...request: never[]) => {
        calls.push(step);
        // The steps differ in their arguments and replies only.
        const method = real[step] as (...request: never[]) => Promise<never>;
        const interceptor = interceptors.get(step) as ((...all: unknown[]) => unknown) | undefined;
        const proceed = (): Promise<never> => method.apply(real, request);
        return interceptor ? interceptor(proceed, ...request) : proceed();
      },
    ]),
  ) as unknown as Omit<CacheStore, "close">;

  return {
    ...scripted,
    intercept: (step, interceptor) => void interceptors.set(step, interceptor as unknown as Interceptor<Step>),
    restore: (...names) => {
      for (const step of names.length === 0 ? steps : names) interceptors.delete(step);
    },
    fail: (error) => {
      for (const step of steps) interceptors.set(step, () => Promise.reject(error));
    },
    calls,
    count: (step) => calls.filter((call) => call === step).length,
    close: async () => {
      closed = true;
      await real.close();
    },
    get closed() {
      return closed;
    },
  };
}
