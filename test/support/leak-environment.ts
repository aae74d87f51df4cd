// Node's test environment, which fails a test that leaves something open. An environment and not hooks: what a test file's
// own `afterEach` closes is closed by then, wherever the file declares it.
import { TestEnvironment } from "jest-environment-node";
import { type OpenResources, openResources, stillOpen } from "./open-resources.ts";

/** Longer than a graceful end of anything that tests start takes; nobody waits for it where nothing leaks. */
const usualPatienceMs = 2_000;

/** The part of jest-circus's events that is of interest here. */
interface CircusEvent {
  readonly name: string;
  readonly test?: { readonly errors: unknown[] };
}

// biome-ignore lint/style/noDefaultExport: jest looks for the default export
export default class LeakEnvironment extends TestEnvironment {
  readonly #patienceMs: number;
  #before: OpenResources | undefined;

  constructor(...[config, context]: ConstructorParameters<typeof TestEnvironment>) {
    super(config, context);
    const { leakPatienceMs } = config.projectConfig.testEnvironmentOptions;
    this.#patienceMs = typeof leakPatienceMs === "number" ? leakPatienceMs : usualPatienceMs;
  }

  /** Between `test_start` and `test_done` lie the test with its `beforeEach` and `afterEach`; what `beforeAll` made was there. */
  async handleTestEvent({ name, test }: CircusEvent): Promise<void> {
    if (name === "test_start") this.#before = openResources();
    if (name !== "test_done" || !this.#before) return;
    const left = await stillOpen(this.#before, this.#patienceMs);
    if (left === "") return;
    test?.errors.push(
      new Error(
        `This test left open: ${left}. Close what it makes in the test or in afterEach, or make it in beforeAll.`,
      ),
    );
  }
}
