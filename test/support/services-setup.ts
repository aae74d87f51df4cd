import { type ServiceHandle, startKafka, startValkey, terminalProgress } from "../../dev/services/index.ts";
import { ADDRESS, MISSING, type ServiceName } from "./services-variables.ts";

declare global {
  // Setup and teardown are two modules in one process, and share nothing else.
  var unstaleTestServices: ServiceHandle[] | undefined;
}

async function setup(): Promise<void> {
  const started: ServiceHandle[] = [];
  globalThis.unstaleTestServices = started;
  const progress = terminalProgress();
  const provide = async <T extends ServiceHandle>(
    service: ServiceName,
    start: () => Promise<T>,
    addressOf: (handle: T) => string,
  ) => {
    const handle = await start();
    started.push(handle);
    process.env[ADDRESS[service]] = addressOf(handle);
  };
  const starts = {
    valkey: provide(
      "valkey",
      () => startValkey({ progress }),
      (valkey) => valkey.url,
    ),
    kafka: provide(
      "kafka",
      () => startKafka({ progress }),
      (kafka) => kafka.brokers.join(","),
    ),
  };
  const [valkey, kafka] = await Promise.allSettled([starts.valkey, starts.kafka]);
  const failures = [
    { service: "valkey", start: valkey },
    { service: "kafka", start: kafka },
  ] as const;
  for (const { service, start } of failures) {
    if (start.status === "fulfilled") continue;
    const reason = start.reason instanceof Error ? start.reason.message : String(start.reason);
    if (process.env.CI === "true") {
      await Promise.all(started.map((handle) => handle.stop()));
      throw new Error(`CI=true allows no skipped tests. ${reason}`, { cause: start.reason });
    }
    process.env[MISSING[service]] = reason;
    console.error(`\n!!! Tests that need ${service} are SKIPPED.\n${reason}\n`);
  }
}

// biome-ignore lint/style/noDefaultExport: jest calls the default export
export default setup;
